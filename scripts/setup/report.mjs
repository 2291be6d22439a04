/** What a person sees during setup. Everything goes to stderr, so that the output of the command that follows stays clean. */
import { spawn } from 'node:child_process';

/** Something that cannot be had. `advice` is the one thing to do about it. */
export class SetupError extends Error {
  constructor(message, advice) {
    super(message);
    this.advice = advice;
  }
}

export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

export function fail(error) {
  say(`cannot continue: ${error.message}`);
  if (error.advice) say(error.advice);
  process.exitCode = 1;
}

/** Says every few seconds that `what` still goes on. Returns the function that ends it and gives the seconds it took. */
export function startClock(what) {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  const isTerminal = process.stderr.isTTY === true;
  if (!isTerminal) say(`${what} …`);
  const timer = setInterval(
    () => (isTerminal ? process.stderr.write(`\r\x1b[Ksetup: ${what} … ${seconds()} s`) : say(`${what} … ${seconds()} s`)),
    isTerminal ? 250 : 10_000,
  );
  return () => {
    clearInterval(timer);
    if (isTerminal) process.stderr.write('\r\x1b[K');
    return seconds();
  };
}

/**
 * Runs a program with a clock. Resolves to {code, output, seconds}; code is null when the program is not there or was killed.
 * An interruption ends the program with everything it started, and is thrown.
 */
export function runWithClock(what, command, args, options = {}) {
  const stop = startClock(what);
  return new Promise((resolve, reject) => {
    let output = '';
    let interruption = null;
    // A group of its own: `npm exec` does not pass signals on to the npm that it runs.
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    // Only the end of the output is ever shown; 64 kB of it holds any error npm or apt prints.
    const keep = (chunk) => {
      output = (output + chunk).slice(-65_536);
    };
    const interrupt = (signal) => {
      interruption = new SetupError(`interrupted by ${signal}`, 'Running the command again continues.');
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended already.
      }
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, interrupt);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const finish = (code, extra = '') => {
      for (const signal of signals) process.off(signal, interrupt);
      const seconds = stop();
      if (interruption) reject(interruption);
      else resolve({ code, output: output + extra, seconds });
    };
    child.on('error', (error) => finish(null, error.message));
    child.on('close', (code, signal) => finish(code, signal ? `\nended by ${signal}` : ''));
  });
}

export function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
