#!/usr/bin/env node
/**
 * The one test command: checks, then unit tests, then end-to-end tests. Each file runs in its own process group with a hard
 * time limit, so nothing can hang and nothing stays behind. The last line is always `N passed, N failed[, N skipped]`.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checks, runCheck } from './check.mjs';

const help = `usage: npm test -- [options]

  --only <text>     only test files whose path contains the text; no checks
  --unit            only the unit tests
  --e2e             only the end-to-end tests
  --full            everything: sets VESSEL_FULL=1, which tests read to run every combination
  --soak            the full figures: --full with 10,000 simulation seeds and no time limit
  --minutes <n>     stop after n minutes; what has not run by then counts as failed
  --file-minutes <n>  time limit of one test file (10; with --full 40)
  --help            this text
`;

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'vessel-test-'));
const running = new Set();
const totals = { passed: 0, failed: 0, skipped: 0 };
const skips = [];
const failures = [];

const { values: flags } = readFlags();
if (flags.soak) flags.full = true;
const fileLimitMs = minutes(flags['file-minutes'] ?? (flags.soak ? '600' : flags.full ? '40' : '10'));
const deadline = flags.minutes ? Date.now() + minutes(flags.minutes) : Number.POSITIVE_INFINITY;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => abandon(signal));
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
});

if (!flags.only && !flags.unit && !flags.e2e) await runChecks();
const files = findTests(root).filter((file) => !flags.only || file.includes(flags.only));
const isE2e = (file) => file.startsWith('e2e/');
// Two cores: unit tests share them, tests that start browsers have them to themselves.
if (!flags.e2e)
  await runFiles(
    'unit tests',
    files.filter((file) => !isE2e(file)),
    2,
  );
if (!flags.unit) await runFiles('end-to-end tests', files.filter(isE2e), 1);
finish();

function readFlags() {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  const options = {
    only: text,
    minutes: text,
    'file-minutes': text,
    unit: flag,
    e2e: flag,
    full: flag,
    soak: flag,
    help: { type: 'boolean', short: 'h' },
  };
  try {
    const parsed = parseArgs({ options });
    if (parsed.values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    return parsed;
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n${help}`);
    process.exit(2);
  }
}

function minutes(text) {
  const value = Number(text);
  if (!(value > 0)) {
    process.stderr.write(`error: ${text} is not a number of minutes\n`);
    process.exit(2);
  }
  return value * 60_000;
}

async function runChecks() {
  heading('checks');
  for (const check of checks) {
    const started = Date.now();
    const { code, output } = await runCheck(check, track);
    totals[code === 0 ? 'passed' : 'failed'] += 1;
    print(`${code === 0 ? '✓' : '✗'} ${check.name}  ${seconds(started)}`);
    if (code !== 0) {
      failures.push(`check: ${check.name}`);
      print(output.trimEnd());
    }
  }
}

async function runFiles(title, list, concurrency) {
  if (list.length === 0) return;
  heading(`${title} (${list.length} ${list.length === 1 ? 'file' : 'files'})`);
  const queue = [...list];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function runFile(file) {
  const left = deadline - Date.now();
  if (left <= 0) return report(file, { tests: [], code: null, output: '', problem: 'not run: out of time' }, Date.now());
  const limitMs = Math.min(fileLimitMs, left);
  const started = Date.now();
  const results = join(scratch, `${file.replaceAll('/', '+')}.jsonl`);
  const args = [`--test-reporter=${join(root, 'scripts/reporter.mjs')}`, `--test-reporter-destination=${results}`, file];
  // A node:test above us (our own tests) must not take these results for its own.
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const env = {
    ...outer,
    ...(flags.full ? { VESSEL_FULL: '1', VESSEL_SEEDS: '1000' } : {}),
    ...(flags.soak ? { VESSEL_SOAK: '1', VESSEL_SEEDS: '10000' } : {}),
  };
  const child = track(spawn(nodeProgram(), args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }));
  let output = '';
  let problem = null;
  const keep = (chunk) => {
    output = (output + chunk).slice(-200_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const clock = setInterval(() => print(`  … ${file} still runs (${seconds(started)})`), 60_000);
  const timer = setTimeout(() => {
    problem = `did not end within ${Math.round(limitMs / 60_000)} min: a test hangs, or something is left open`;
    killGroup(child, 'SIGTERM');
    setTimeout(() => killGroup(child, 'SIGKILL'), 5000).unref();
  }, limitMs);
  const { code, signal } = await ended(child);
  clearTimeout(timer);
  clearInterval(clock);
  // Processes the file started and did not stop are in its group; a browser ends by itself when the file's pipe to it closes.
  killGroup(child, 'SIGKILL');
  if (signal && problem === null) problem = `ended by ${signal}`;
  const tests = existsSync(results) ? readLines(results) : [];
  rmSync(results, { force: true });
  report(file, { tests, code, output, problem }, started);
}

function report(file, { tests, code, output, problem }, started) {
  const count = (outcome) => tests.filter((test) => test.outcome === outcome).length;
  const failed = tests.filter((test) => test.outcome === 'failed');
  totals.passed += count('passed');
  totals.failed += failed.length;
  totals.skipped += count('skipped');
  for (const test of tests.filter((one) => one.outcome === 'skipped')) skips.push({ file, ...test });
  if (problem === null && failed.length === 0 && code !== 0) problem = `exited with code ${code} outside of any test`;
  if (problem === null && tests.length === 0) problem = 'holds no tests';
  if (problem !== null) totals.failed += 1;
  const isGood = problem === null && failed.length === 0;
  const parts = ['passed', 'failed', 'skipped'].map((outcome) => [count(outcome), outcome]).filter(([number]) => number > 0);
  print(`${isGood ? '✓' : '✗'} ${file}  ${parts.map((part) => part.join(' ')).join(', ')}  ${seconds(started)}`);
  if (isGood) return;
  for (const test of failed.filter((one) => !one.isEcho)) {
    failures.push(`${file}: ${test.name}`);
    print(indent(`✗ ${test.name} (${file}:${test.line ?? '?'}, ${test.ms} ms)\n${indent(test.message)}`));
  }
  if (problem !== null) {
    failures.push(`${file}: ${problem}`);
    print(indent(problem));
  }
  if (output.trim() !== '') print(indent(`output of ${file}:\n${indent(output.trimEnd())}`));
}

function finish() {
  if (skips.length > 0) {
    heading('skipped');
    for (const { file, name, reason } of skips) print(`- ${file}: ${name}${reason ? ` (${reason})` : ''}`);
  }
  if (failures.length > 0) {
    heading('failed');
    for (const failure of failures) print(`✗ ${failure}`);
  }
  print('');
  const ran = totals.passed + totals.failed;
  if (ran === 0) print('no test ran');
  print(`${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
  process.exitCode = totals.failed > 0 || ran === 0 ? 1 : 0;
}

function abandon(signal) {
  for (const child of running) killGroup(child, 'SIGTERM');
  print(`\nstopped by ${signal}`);
  print(`${totals.passed} passed, ${totals.failed + running.size} failed`);
  setTimeout(() => process.exit(130), running.size > 0 ? 2000 : 0);
}

function track(child) {
  running.add(child);
  child.once('close', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // `exit`, not `close`: a grandchild that keeps the pipes open must not keep us waiting; its group is killed next.
    child.on('exit', (code, signal) => setTimeout(() => resolve({ code, signal }), 50));
  });
}

/** Only ever the group of a process started here. */
function killGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}

function findTests(folder) {
  const ignored = new Set(['node_modules', 'build', 'dist', 'coverage']);
  const walk = (at) =>
    readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
      if (entry.name.startsWith('.') || ignored.has(entry.name)) return [];
      const path = join(at, entry.name);
      if (entry.isDirectory()) return walk(path);
      return /\.test\.(ts|mjs)$/.test(entry.name) ? [relative(folder, path).split(sep).join('/')] : [];
    });
  return walk(folder).sort();
}

function nodeProgram() {
  const own = join(root, 'node_modules/.bin/node');
  return existsSync(own) ? own : process.execPath;
}

/** A killed process may leave half a line at the end. */
function readLines(path) {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    });
}

function heading(text) {
  print(`\n== ${text}`);
}

function print(text) {
  process.stdout.write(`${text}\n`);
}

function indent(text) {
  return text.replace(/^/gm, '    ');
}

function seconds(started) {
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}
