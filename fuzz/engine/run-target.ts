/** Runs one target in a process of its own. */
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FuzzJob, type FuzzReport, lostReport } from './fuzz-job.ts';

export interface RunOptions {
  inputs: number;
  seed: number;
  /** Stop after this long even when there are inputs left. */
  seconds?: number | null;
  /** See FuzzJob. */
  isGuided?: boolean;
  isBare?: boolean;
  hangMs?: number;
}

const root = new URL('../../', import.meta.url).href;

export function targetUrl(name: string): string {
  return new URL(`../targets/${name}.fuzz.ts`, import.meta.url).href;
}

/** `url`: of the module that exports `target`. */
export async function runTarget(url: string, options: RunOptions): Promise<FuzzReport> {
  return (await runTargets([url], options))[0]!;
}

/** Several in one process, one after the other: what is quick to try takes longer to load. Later ones are left out when one ends it. */
export async function runTargets(urls: readonly string[], options: RunOptions): Promise<FuzzReport[]> {
  const job: FuzzJob = {
    root,
    targetUrls: [...urls],
    seconds: null,
    isGuided: true,
    isBare: false,
    hangMs: 10_000,
    traceFile: null,
    ...options,
  };
  const first = await runApart(job);
  return typeof first === 'string' ? explainEnd(job, first) : first;
}

/** The process ended without a word. The same seed gives the same inputs: this time each is written down before it is tried. */
async function explainEnd(job: FuzzJob, reason: string): Promise<FuzzReport[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vessel-fuzz-'));
  const names = job.targetUrls.join(', ');
  try {
    const traceFile = join(folder, 'input');
    const second = await runApart({ ...job, traceFile });
    if (typeof second !== 'string') throw new Error(`The process of ${names} ended (${reason}), but not when tried again.`);
    const input = new Uint8Array(readFileSync(traceFile));
    return [lostReport(names, 0, { kind: 'memory', name: 'ends the process', detail: second, input })];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The reports, or how the process ended without them. */
function runApart(job: FuzzJob): Promise<FuzzReport[] | string> {
  return new Promise((resolve, reject) => {
    const child = fork(new URL('./fuzz-process.ts', import.meta.url), [JSON.stringify(job)], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: ['--no-warnings'],
    });
    let errors = '';
    child.stderr!.on('data', (chunk) => {
      errors = (errors + chunk).slice(-2000);
    });
    child.on('error', reject);
    child.on('message', (reports) => resolve(reports as FuzzReport[]));
    // After the reports this changes nothing.
    child.on('close', (code, signal) => {
      if (signal === null && code === 1) reject(new Error(`The process of ${job.targetUrls.join(', ')} failed:\n${errors}`));
      else resolve(`ended by ${signal ?? `code ${code}`}: ${/FATAL ERROR: .*/.exec(errors)?.[0] ?? errors.slice(-300)}`);
    });
  });
}
