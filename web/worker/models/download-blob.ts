/** Fills a partial blob: a few range requests side by side, every leaf checked before it is written, broken ones tried again. */
import { type BlobRef, leafBytes } from '../../../shared/models/manifest.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { PartialBlob } from './blob-storage.ts';
import { fetchLeaves, leafLength } from './fetch-leaves.ts';

/** 8 MiB a request: few round trips, and a cut connection loses at most one leaf of each. */
const leavesPerRequest = 8;
/** Fills a fast line without starving the tab's other requests (browsers open 6 per host). */
const parallelRequests = 3;
/** Tries in a row without a single new leaf before a download is given up. */
const fruitlessTries = 5;
const firstRetryMs = 250;
/** Longer than a phone needs to change from Wi-Fi to its mobile network. */
const stallMs = 30_000;

export interface DownloadParts {
  url: string;
  signal: AbortSignal;
  fetch: typeof fetch;
  sleep(ms: number): Promise<void>;
  onProgress(progress: { bytes: number; total: number }): void;
}

interface Run {
  from: number;
  to: number;
}

/** Returns when every leaf is verified and written. Errors: see `BlobCache.ensure`. Nothing is written after it has ended. */
export async function downloadBlob(ref: BlobRef, partial: PartialBlob, parts: DownloadParts): Promise<void> {
  const missing = new Set(await missingLeaves(ref, partial, parts.signal));
  const wrongOnce = new Set<number>();
  // Bytes that have arrived beyond the verified leaves, per request: for the progress bar only.
  const arriving = new Map<Run, number>();
  let lastFailure: unknown = new VesselError('relay_lost', 'The relay does not deliver the model.');
  const stop = new AbortController();
  const abort = () => stop.abort(parts.signal.reason);

  const report = () => {
    let bytes = ref.bytes;
    for (const index of missing) bytes -= leafLength(ref, index);
    for (const count of arriving.values()) bytes += count;
    parts.onProgress({ bytes: Math.min(bytes, ref.bytes), total: ref.bytes });
  };

  /** One request. Returns the first leaf that is still missing: `run.to` if all came. */
  const fetchRun = async (run: Run): Promise<number> => {
    let next = run.from;
    const onBytes = (count: number) => {
      arriving.set(run, (arriving.get(run) ?? 0) + count);
      report();
    };
    try {
      const leaves = fetchLeaves({ ...parts, ref, ...run, signal: stop.signal, stallMs, onBytes });
      for await (const leaf of leaves) {
        if ((await hashOf(leaf.bytes)) !== ref.leaves[leaf.index]) {
          if (wrongOnce.has(leaf.index)) throw wrongBytes(ref, leaf.index);
          wrongOnce.add(leaf.index);
          break;
        }
        stop.signal.throwIfAborted();
        partial.write(leaf.index * leafBytes, leaf.bytes);
        missing.delete(leaf.index);
        arriving.set(run, Math.max(0, (arriving.get(run) ?? 0) - leaf.bytes.length));
        next = leaf.index + 1;
        report();
      }
    } catch (error) {
      if (!isMendable(error)) throw error;
      lastFailure = error;
    } finally {
      arriving.delete(run);
    }
    return next;
  };

  const queue = runsOf([...missing]);
  const work = async (): Promise<void> => {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
      for (let fruitless = 0; run.from < run.to; ) {
        const next = await fetchRun(run);
        if (next === run.to) break;
        fruitless = next > run.from ? 0 : fruitless + 1;
        if (fruitless === fruitlessTries) throw lastFailure;
        if (fruitless > 0) await parts.sleep(firstRetryMs * 2 ** (fruitless - 1));
        stop.signal.throwIfAborted();
        run = { from: next, to: run.to };
      }
    }
  };

  parts.signal.throwIfAborted();
  parts.signal.addEventListener('abort', abort, { once: true });
  report();
  try {
    // The first failure ends the others, and all have ended before this returns.
    await Promise.all(Array.from({ length: parallelRequests }, () => work().catch((error) => stop.abort(error))));
  } finally {
    parts.signal.removeEventListener('abort', abort);
  }
  stop.signal.throwIfAborted();
}

/** Leaves of the partial are hashed again: what a crash tore does not fit and is fetched again. */
async function missingLeaves(ref: BlobRef, partial: PartialBlob, signal: AbortSignal): Promise<number[]> {
  const missing: number[] = [];
  const { size } = partial;
  for (let index = 0; index < ref.leaves.length; index++) {
    signal.throwIfAborted();
    const start = index * leafBytes;
    const length = leafLength(ref, index);
    const isHere = start + length <= size && (await hashOf(partial.read(start, length))) === ref.leaves[index];
    if (!isHere) missing.push(index);
  }
  return missing;
}

/** Neighbouring leaves as requests of at most `leavesPerRequest`. */
function runsOf(indices: number[]): Run[] {
  const runs: Run[] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last !== undefined && last.to === index && last.to - last.from < leavesPerRequest) last.to += 1;
    else runs.push({ from: index, to: index + 1 });
  }
  return runs;
}

async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function isMendable(error: unknown): boolean {
  return error instanceof VesselError && error.code === 'relay_lost';
}

function wrongBytes(ref: BlobRef, index: number): VesselError {
  return new VesselError(
    'bad_blob',
    `Part ${index + 1} of ${ref.leaves.length} arrived wrong twice. The relay serves a broken model.`,
  );
}
