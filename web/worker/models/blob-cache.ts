/**
 * Model bytes in a tab: fetched by range from the relay, each 1 MiB leaf checked against its hash before it is kept, and kept
 * between visits. A blob killed half way goes on where it stopped: leaves of the partial are hashed again, those that fit stay.
 *
 *   const cache = await openBlobCache();
 *   await cache.ensure(manifest.layers[4], { baseUrl: 'https://relay.example' });
 *   const weights = await cache.blob(manifest.layers[4].cid);
 */
import type { BlobReader } from '../../../provider/runtime/shard-runtime.ts';
import { cidOfLeaves } from '../../../shared/models/content-id.ts';
import { type BlobRef, leafBytes } from '../../../shared/models/manifest.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { type BlobStorage, openBlobStorage, outOfSpace, type StoredBlob } from './blob-storage.ts';
import { downloadBlob } from './download-blob.ts';

export interface EnsureOptions {
  /** Blobs are fetched from `${baseUrl}/blobs/<cid>`. */
  baseUrl: string;
  /** Bytes present so far, of the whole blob. Falls when bytes turn out wrong. */
  onProgress?: (progress: { bytes: number; total: number }) => void;
  signal?: AbortSignal;
}

export interface BlobCacheParts {
  storage: BlobStorage;
  fetch: typeof fetch;
  /** Web Locks: one writer per blob over all tabs of this origin. */
  locks: LockManager;
  estimate(): Promise<StorageEstimate>;
  sleep(ms: number): Promise<void>;
}

export async function openBlobCache(): Promise<BlobCache> {
  return new BlobCache({
    storage: await openBlobStorage(),
    fetch: (input, init) => fetch(input, init),
    locks: navigator.locks,
    estimate: () => navigator.storage.estimate(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

export class BlobCache implements BlobReader {
  readonly #parts: BlobCacheParts;
  /** Open files, so that thousands of small reads do not look them up again. */
  readonly #open = new Map<string, Blob>();

  constructor(parts: BlobCacheParts) {
    this.#parts = parts;
  }

  /** `memory`: nothing is kept when the tab closes; the page should say so. */
  get storageKind(): 'opfs' | 'memory' {
    return this.#parts.storage.kind;
  }

  /**
   * Returns when the blob is here, whole and verified; fetches only what is missing. Two tabs that ensure the same blob fetch it
   * once. Throws VesselError `bad_blob` (wrong bytes twice, or leaves that are not this cid), `out_of_memory`, `relay_lost`,
   * `not_found`, `unsupported`; rejects with the signal's reason when aborted.
   */
  async ensure(ref: BlobRef, options: EnsureOptions): Promise<void> {
    const signal = options.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    requireOwnLeaves(ref);
    await this.#parts.locks.request(`vessel-blob-${ref.cid}`, { signal }, async () => {
      if (await this.#has(ref)) return;
      const { usage = 0, quota = Number.POSITIVE_INFINITY } = await this.#parts.estimate();
      this.#open.delete(ref.cid);
      const partial = await this.#parts.storage.openPartial(ref.cid, ref.bytes);
      try {
        if (this.storageKind === 'opfs' && ref.bytes - partial.size > quota - usage) throw outOfSpace();
        await downloadBlob(ref, partial, {
          url: `${options.baseUrl}/blobs/${ref.cid}`,
          signal,
          fetch: this.#parts.fetch,
          sleep: this.#parts.sleep,
          onProgress: options.onProgress ?? (() => {}),
        });
        await partial.finish();
      } finally {
        partial.close();
      }
    });
    options.onProgress?.({ bytes: ref.bytes, total: ref.bytes });
  }

  /** Throws VesselError `not_found` unless the blob was ensured, `bad_message` when the range leaves it. */
  async read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const blob = await this.#require(cid);
    if (offset < 0 || length < 0 || offset + length > blob.size) {
      throw new VesselError('bad_message', `Bytes ${offset} to ${offset + length} lie outside of a blob of ${blob.size} bytes.`);
    }
    try {
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    } catch (cause) {
      this.#open.delete(cid);
      throw new VesselError('not_found', 'The browser has thrown away this part of the model. Start again to fetch it.', {
        cause,
      });
    }
  }

  /** File-backed with OPFS; null unless the blob was ensured. */
  async blob(cid: string): Promise<Blob | null> {
    const open = this.#open.get(cid);
    if (open !== undefined) return open;
    const blob = await this.#parts.storage.blob(cid);
    if (blob !== null) this.#open.set(cid, blob);
    return blob;
  }

  list(): Promise<StoredBlob[]> {
    return this.#parts.storage.list();
  }

  async remove(cid: string): Promise<void> {
    await this.#parts.locks.request(`vessel-blob-${cid}`, async () => {
      this.#open.delete(cid);
      await this.#parts.storage.remove(cid);
    });
  }

  /** Bytes that blobs take here, and what the browser allows this origin in all (null if it does not say). */
  async usage(): Promise<{ bytes: number; quota: number | null }> {
    const blobs = await this.list();
    const { quota } = await this.#parts.estimate();
    return { bytes: blobs.reduce((sum, blob) => sum + blob.bytes, 0), quota: quota ?? null };
  }

  async #has(ref: BlobRef): Promise<boolean> {
    return (await this.#parts.storage.blob(ref.cid))?.size === ref.bytes;
  }

  async #require(cid: string): Promise<Blob> {
    const blob = await this.blob(cid);
    if (blob === null) throw new VesselError('not_found', 'This part of the model is not here yet.');
    return blob;
  }
}

/** Leaves of a manifest are a claim; only their root is the name under which the blob is known. */
function requireOwnLeaves(ref: BlobRef): void {
  const isWhole = ref.leaves.length === Math.ceil(ref.bytes / leafBytes);
  if (!isWhole || cidOfLeaves(ref.leaves, ref.bytes) !== ref.cid) {
    throw new VesselError('bad_blob', 'The hashes in the manifest do not belong to this blob. The relay serves a broken model.');
  }
}
