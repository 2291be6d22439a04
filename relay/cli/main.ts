/** The `vessel` command: finds the subcommand, gives it its surroundings, and tells what went wrong in one line. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { type ErrorCode, VesselError } from '../../shared/protocol/errors.ts';
import { type CommandIo, UsageError } from './command.ts';
import { type CommandEntry, commands } from './commands.ts';
import { nearestName } from './nearest-name.ts';

/** Runs `vessel <args>` and resolves to the exit code: 0 well, 1 failed, 2 called wrongly, 130 interrupted. */
export async function main(args: string[], io?: CommandIo): Promise<number> {
  if (io) return runCommand(args, io);
  const interrupted = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals) => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort(new Error(`interrupted by ${signal}`));
  };
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await runCommand(args, processIo(interrupted.signal));
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

async function runCommand(args: string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.stdout.write(helpText());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    io.stdout.write(`${readVersion()}\n`);
    return 0;
  }
  const entry = commands.find((command) => command.name === name);
  try {
    if (!entry) throw new UsageError(`there is no command "${name}"${suggest(name)}`);
    const command = await entry.load();
    if (rest.includes('--help') || rest.includes('-h')) {
      io.stdout.write(`${command.usage.trimEnd()}\n`);
      return 0;
    }
    return await command.run(rest, io);
  } catch (error) {
    return tell(error, entry, io);
  }
}

function tell(error: unknown, entry: CommandEntry | undefined, io: CommandIo): number {
  if (error instanceof UsageError) {
    io.stderr.write(`error: ${error.message}\nhint: vessel ${entry ? `${entry.name} ` : ''}--help shows what can be said\n`);
    return 2;
  }
  if (io.signal.aborted) {
    io.stderr.write('interrupted\n');
    return 130;
  }
  const code = error instanceof VesselError ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  io.stderr.write(`error: ${oneLine(message)} (${code})\n`);
  const hint = hints[code];
  if (hint) io.stderr.write(`hint: ${hint}\n`);
  // A programming error is worth its stack; everything else says what to do in its message.
  if (io.env.VESSEL_DEBUG || !(error instanceof VesselError)) io.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
  return 1;
}

const hints: Partial<Record<ErrorCode, string>> = {
  model_not_found: 'vessel model ls shows what is here',
  bad_blob: 'vessel model rm and add it again',
  hub_failed: 'what was downloaded is kept: run the same command again',
};

function suggest(name: string): string {
  const nearest = nearestName(
    name,
    commands.map((command) => command.name),
  );
  return nearest ? `; did you mean "${nearest}"?` : '';
}

function helpText(): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `usage: vessel <command> [options]

${lines.join('\n')}

vessel <command> --help   options of one command
vessel --version          the version

environment
  VESSEL_HOME     data folder (~/.vessel); --data <folder> overrides it
  VESSEL_BROWSER  the Chromium-based browser to use
  VESSEL_DEBUG=1  print stacks with errors
`;
}

/** From the nearest package.json upwards: two levels in the repository, one in the installed package. */
function readVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (typeof name === 'string' && typeof version === 'string') return version;
    } catch {
      // Not at this level.
    }
  }
  return 'unknown';
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}

function processIo(signal: AbortSignal): CommandIo {
  const canAnswer = process.stdin.isTTY && process.stderr.isTTY;
  return {
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    confirm: canAnswer ? (question) => confirm(question, signal) : null,
    signal,
  };
}

async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    lines.close();
  }
}
