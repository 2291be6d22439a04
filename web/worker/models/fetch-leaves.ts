/** Fetches neighbouring 1 MiB leaves of a blob in one range request and hands them out one by one as they arrive. */
import { type BlobRef, leafBytes } from '../../../shared/models/manifest.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';

export interface LeafRange {
  url: string;
  ref: BlobRef;
  /** Leaves [from, to). */
  from: number;
  to: number;
  signal: AbortSignal;
  /** A connection that is silent for so long is given up. */
  stallMs: number;
  fetch: typeof fetch;
  /** Bytes that arrived just now, not yet verified. */
  onBytes?: (count: number) => void;
}

export interface Leaf {
  index: number;
  bytes: Uint8Array<ArrayBuffer>;
}

export function leafLength(ref: BlobRef, index: number): number {
  return Math.min(leafBytes, ref.bytes - index * leafBytes);
}

/**
 * Ends early when the connection is cut: whoever asked counts what came. Throws VesselError `not_found` when the relay does not
 * have the blob, `unsupported` when it ignores ranges, `relay_lost` for anything that another try may mend.
 */
export async function* fetchLeaves(range: LeafRange): AsyncGenerator<Leaf> {
  const start = range.from * leafBytes;
  const end = Math.min(range.to * leafBytes, range.ref.bytes);
  const stall = new AbortController();
  const abort = () => stall.abort(range.signal.reason);
  range.signal.throwIfAborted();
  range.signal.addEventListener('abort', abort, { once: true });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waitForMore = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(new VesselError('relay_lost', 'The relay stopped sending.')), range.stallMs);
  };
  try {
    waitForMore();
    const response = await range.fetch(range.url, {
      headers: { range: `bytes=${start}-${end - 1}` },
      signal: stall.signal,
      // The blob has its own store: a second copy in the HTTP cache would double the disk space.
      cache: 'no-store',
    });
    requireRange(response, range, start, end);
    if (response.body === null) return;

    let index = range.from;
    let leaf = new Uint8Array(leafLength(range.ref, index));
    let filled = 0;
    for await (const chunk of response.body) {
      waitForMore();
      range.onBytes?.(chunk.length);
      for (let at = 0; at < chunk.length && index < range.to; ) {
        const part = chunk.subarray(at, at + leaf.length - filled);
        leaf.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < leaf.length) continue;
        yield { index, bytes: leaf };
        index += 1;
        if (index === range.to) return;
        leaf = new Uint8Array(leafLength(range.ref, index));
        filled = 0;
      }
    }
  } catch (error) {
    range.signal.throwIfAborted();
    if (error instanceof VesselError) throw error;
    if (stall.signal.aborted) throw stall.signal.reason;
    throw new VesselError('relay_lost', 'The connection to the relay broke while the model was fetched.', { cause: error });
  } finally {
    clearTimeout(timer);
    range.signal.removeEventListener('abort', abort);
    // A body left half read keeps its connection busy.
    stall.abort();
  }
}

function requireRange(response: Response, range: LeafRange, start: number, end: number): void {
  if (response.status === 206) return;
  if (response.status === 200 && start === 0 && end === range.ref.bytes) return;
  if (response.status === 200) {
    throw new VesselError('unsupported', 'The server does not serve parts of files, so the model cannot be fetched from it.');
  }
  if (response.status === 404 || response.status === 410) {
    throw new VesselError('not_found', 'The relay does not have this part of the model any more. Reload the page.');
  }
  throw new VesselError('relay_lost', `The relay answered ${response.status} when asked for a part of the model.`);
}
