/**
 * A chain of this machine's own: anvil on loopback, its state in a folder, so that it is the same chain after a restart.
 *
 *   state.json     the chain, written by anvil every minute and at its end
 *   kept.json      the state as the last start found it, in case the other is damaged
 *   process.json   process id, port and first block's hash of the anvil that runs, or of the last one
 *   anvil.log      what it said
 *
 * It is ended with us: also when we are killed without a chance to do so, by a guard (see below). Should both be killed, the next start
 * finds it by process.json and ends it first. Either way it writes its state: nothing is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { isProcessAlive } from '../files/process-alive.ts';
import { writeAtomically } from '../files/write-atomically.ts';
import { findAnvil } from './find-anvil.ts';
import { openClient } from './viem-chain.ts';

export const localChainId = 31_337;

/** What a crash of the whole machine may take back, in seconds. A dump takes about half a second of one core: every 5 s cost 10 % of it. */
const stateIntervalSeconds = 60;
const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const startTries = 3;

/**
 * A process of its own that hears us end, however that happens: its input, a pipe from us, closes. Then it ends the chain. In plain
 * JavaScript, so that it needs no file; it works on every platform.
 */
const guardProgram = `
const pid = Number(process.argv[1]);
const end = (signal) => { try { process.kill(pid, signal); } catch { process.exit(); } };
process.stdin.resume().on('error', () => {}).on('close', () => {
  end('SIGTERM');
  setTimeout(() => { end('SIGKILL'); process.exit(); }, ${stopTimeoutMs});
  setInterval(() => end(0), 100);
});`;

const processSchema = z.strictObject({
  pid: z.number().int().positive(),
  port: z.number().int().min(1).max(65_535),
  genesis: z.string().regex(/^0x[0-9a-f]{64}$/),
});
type ProcessRecord = z.infer<typeof processSchema>;

export interface LocalChainOptions {
  signal?: AbortSignal;
  /** Told once when the chain ends without having been asked to. */
  onExit?: (message: string) => void;
  program?: string | null;
}

export class LocalChain {
  readonly url: string;
  readonly chainId = localChainId;
  readonly #child: ChildProcess;
  readonly #guard: ChildProcess | null;
  readonly #onProcessExit: () => void;
  #isClosing = false;

  private constructor(child: ChildProcess, url: string, onExit: LocalChainOptions['onExit']) {
    this.#child = child;
    this.url = url;
    this.#guard = child.pid === undefined ? null : startGuard(child.pid);
    // Only for ends that skip close(): a second Ctrl-C.
    this.#onProcessExit = () => child.kill('SIGTERM');
    process.once('exit', this.#onProcessExit);
    child.once('exit', (code, signal) => {
      // Its process id may soon be another's.
      this.#guard?.kill('SIGKILL');
      if (!this.#isClosing) onExit?.(`the local chain has ended (${signal ?? `exit code ${code}`})`);
    });
  }

  /** Throws `chain_unavailable` where the platform has no anvil, or it does not start. */
  static async start(folder: string, options: LocalChainOptions = {}): Promise<LocalChain> {
    const program = options.program === undefined ? findAnvil() : options.program;
    if (program === null) {
      throw new VesselError(
        'chain_unavailable',
        `There is no local chain for this platform (${process.platform} ${process.arch}): the npm package @foundry-rs/anvil has no program for it, or was installed without optional packages. Use --no-chain, or a chain elsewhere with --chain.`,
      );
    }
    await mkdir(folder, { recursive: true });
    const last = await readRecord(folder);
    if (last) await endOrphan(last);
    await keepState(folder);
    for (let tried = 1; ; tried += 1) {
      options.signal?.throwIfAborted();
      const port = await freePort(tried === 1 ? last?.port : undefined);
      const chain = await LocalChain.#launch(program, folder, port, options);
      if (chain) return chain;
      if (tried === startTries) {
        const log = await readFile(join(folder, 'anvil.log'), 'utf8').catch(() => '');
        throw new VesselError(
          'chain_unavailable',
          `The local chain does not start: ${log.trim().split('\n').at(-1) || 'it says nothing'}. Its folder is ${folder}.`,
        );
      }
    }
  }

  /** null when it ended at once: the port was taken in between, most likely. */
  static async #launch(
    program: string,
    folder: string,
    port: number,
    { signal, onExit }: LocalChainOptions,
  ): Promise<LocalChain | null> {
    const log = await open(join(folder, 'anvil.log'), 'w');
    const args = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(localChainId), '--hardfork', 'osaka'];
    // No accounts of its own: everyone knows the keys of the usual ones.
    args.push('--accounts', '0', '--quiet');
    args.push('--state', join(folder, 'state.json'), '--state-interval', String(stateIntervalSeconds));
    const child = spawn(program, args, {
      // Out of our process group: Ctrl-C is for us, and the relay still needs the chain while it closes.
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
      // It keeps a cache below HOME.
      env: { ...process.env, HOME: folder, USERPROFILE: folder },
    });
    await log.close();
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
    const url = `http://127.0.0.1:${port}`;
    const chain = new LocalChain(child, url, onExit);
    const genesis = await Promise.race([ended.then(() => null), untilAnswers(url, signal)]).catch(async (error) => {
      await chain.close();
      throw error;
    });
    if (genesis === null || child.exitCode !== null || child.pid === undefined) {
      await chain.close();
      return null;
    }
    const record: ProcessRecord = { pid: child.pid, port, genesis };
    await writeAtomically(join(folder, 'process.json'), new TextEncoder().encode(`${JSON.stringify(record)}\n`));
    return chain;
  }

  /** Ends it, state written. */
  async close(): Promise<void> {
    this.#isClosing = true;
    process.off('exit', this.#onProcessExit);
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGTERM');
    const stop = new AbortController();
    await Promise.race([ended, wait(stopTimeoutMs, undefined, { signal: stop.signal }).catch(() => undefined)]);
    stop.abort();
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function startGuard(pid: number): ChildProcess {
  const guard = spawn(process.execPath, ['-e', guardProgram, String(pid)], {
    // Ctrl-C is for us.
    detached: true,
    windowsHide: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a guard the next start does its work.
  guard.on('error', () => undefined);
  guard.stdin!.on('error', () => undefined);
  guard.unref();
  // A pipe is a socket here; it must not keep us alive.
  (guard.stdin as Socket).unref();
  return guard;
}

/** Where the local chain of a data folder is reached, if it runs. */
export async function findLocalChain(folder: string): Promise<string | null> {
  const record = await readRecord(folder);
  if (record === null || !isProcessAlive(record.pid)) return null;
  const url = `http://127.0.0.1:${record.port}`;
  return (await genesisOf(url)) === record.genesis ? url : null;
}

/** Gives an address this many wei of the chain's coin: a power of development chains. */
export async function setCoins(url: string, address: Address, wei: bigint): Promise<void> {
  await rpc(url, 'anvil_setBalance', [address, `0x${wei.toString(16)}`]);
}

async function endOrphan(record: ProcessRecord): Promise<void> {
  if (!isProcessAlive(record.pid)) return;
  // Process ids are used again: only the one that answers for our chain is ours.
  if ((await genesisOf(`http://127.0.0.1:${record.port}`)) !== record.genesis) return;
  const deadline = performance.now() + stopTimeoutMs;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(record.pid, signal);
    } catch {
      return;
    }
    while (isProcessAlive(record.pid) && performance.now() < deadline) await wait(50);
    if (!isProcessAlive(record.pid)) return;
  }
}

/** A damaged state is put back to what the last start found; an undamaged one is kept for the next. */
async function keepState(folder: string): Promise<void> {
  const state = join(folder, 'state.json');
  const kept = join(folder, 'kept.json');
  const text = await readFile(state, 'utf8').catch(() => null);
  if (text !== null && isJson(text)) return copyFile(state, kept);
  await rm(state, { force: true });
  await copyFile(kept, state).catch(() => undefined);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function readRecord(folder: string): Promise<ProcessRecord | null> {
  const text = await readFile(join(folder, 'process.json'), 'utf8').catch(() => null);
  if (text === null || !isJson(text)) return null;
  return processSchema.safeParse(JSON.parse(text)).data ?? null;
}

async function untilAnswers(url: string, signal: AbortSignal | undefined): Promise<Hex> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const genesis = await genesisOf(url);
    if (genesis) return genesis;
    if (performance.now() > deadline)
      throw new VesselError('chain_unavailable', 'The local chain does not answer after its start.');
    await wait(50);
  }
}

async function genesisOf(url: string): Promise<Hex | null> {
  try {
    return (await openClient(url).getBlock({ blockNumber: 0n })).hash;
  } catch {
    return null;
  }
}

async function rpc(url: string, method: string, params: unknown[]): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const answer = (await response.json()) as { error?: { message: string } };
  if (answer.error) throw new VesselError('chain_unavailable', `The local chain refused ${method}: ${answer.error.message}`);
}

/** `preferred` if it is free: wallets remember the address. Else any. */
async function freePort(preferred: number | undefined): Promise<number> {
  for (const port of preferred === undefined ? [0] : [preferred, 0]) {
    const found = await new Promise<number | null>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(null));
      probe.listen(port, '127.0.0.1', () => {
        const { port: free } = probe.address() as { port: number };
        probe.close(() => resolve(free));
      });
    });
    if (found !== null) return found;
  }
  throw new VesselError('chain_unavailable', 'This machine has no free port.');
}
