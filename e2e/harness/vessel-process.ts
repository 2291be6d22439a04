/** `vessel …` as a process of its own, with a temporary folder that is its own, so that what it leaves behind can be seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

export const repository = join(import.meta.dirname, '../..');
export const tinyFolder = join(repository, 'public/models/vessel-tiny');
export const storiesFolder = join(repository, 'testing/fixtures/stories260K/hf');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A process that we told to end, or whose parent has ended, is given this long. */
const leavingMs = 10_000;
const patienceMs = 180_000;

export class VesselProcess {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  /** The data folder it uses (VESSEL_HOME), unless `env` says another. */
  readonly home: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #temp: string;

  constructor(args: string[], env: Record<string, string> = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), 'vessel-e2e-'));
    this.#temp = mkdtempSync(join(this.#folder, 'tmp-'));
    this.home = join(this.#folder, 'home');
    this.#child = spawn(process.execPath, [join(repository, 'bin/vessel.mjs'), ...args], {
      // Chromium and Playwright keep their own leftovers in TMPDIR too.
      env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1', VESSEL_HOME: this.home, ...env, TMPDIR: this.#temp },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout!.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.#child.stderr!.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Looks until `isTrue`; rejects with what the process has said when it ends before, or after three minutes. */
  async until(what: string, isTrue: (said: { stdout: string; stderr: string }) => boolean): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!isTrue(this)) {
      if (this.#child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`waited in vain until ${what}\n${this.stdout}${this.stderr}`);
      }
      await setTimeout(50);
    }
  }

  /** Processes it started, files in its temporary folder: all that is there after it has ended. Empty is right. */
  async leftovers(): Promise<string[]> {
    await this.ended;
    // The browser's helpers end a moment after the browser.
    const deadline = performance.now() + leavingMs;
    for (;;) {
      const left = [...processesOf(this.#temp), ...readdirSync(this.#temp).map((name) => `file ${name}`)];
      if (left.length === 0 || performance.now() > deadline) return left;
      await setTimeout(100);
    }
  }

  /** Ends it if it has not ended, and forgets its folder. */
  async dispose(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.signal('SIGTERM');
      await Promise.race([this.ended, setTimeout(leavingMs)]);
      this.signal('SIGKILL');
    }
    await this.ended;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Runs a command to its end. */
export async function runVessel(args: string[], env?: Record<string, string>): Promise<Ended & { leftovers: string[] }> {
  const vessel = new VesselProcess(args, env);
  try {
    const ended = await vessel.ended;
    return { ...ended, leftovers: await vessel.leftovers() };
  } finally {
    await vessel.dispose();
  }
}

/** Whoever has the folder in its command line or its environment was started by the process that owns it. Known on Linux alone. */
function processesOf(folder: string): string[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        // A process without a command line has ended and waits for its parent.
        if (command === '' || !(command + environment).includes(folder)) return [];
        return [`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 200)}`];
      } catch {
        // It has ended since, or is not ours to look at.
        return [];
      }
    });
}
