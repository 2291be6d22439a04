/**
 * Blobs a Node provider fetched from a relay. Each 1 MiB leaf is checked before it is written; a fetch that was cut goes on at the
 * last whole leaf; a file has its final name only when every leaf of it was checked.
 */
import { createHash } from 'node:crypto';
import { existsSync, openAsBlob } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobReader } from '../../provider/runtime/shard-runtime.ts';
import { cidOfLeaves, verifyLeaf } from '../../shared/models/content-id.ts';
import { type BlobRef, leafBytes } from '../../shared/models/manifest.ts';
import { readBytes } from '../../shared/models/read-bytes.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';

/** Leaves per request: large enough to amortise the round trip, small enough that little is lost when it breaks. */
const leavesPerRequest = 16;
const tries = 4;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

export class FetchedBlobs implements BlobReader {
  readonly #folder: string;
  readonly #relayUrl: string;

  constructor(folder: string, relayUrl: string) {
    this.#folder = folder;
    this.#relayUrl = relayUrl;
  }

  async manifest(id: string, signal: AbortSignal): Promise<Uint8Array> {
    const response = await fetch(new URL(`/manifests/${id}`, this.#relayUrl), { signal });
    if (!response.ok) throw new VesselError('model_not_found', `The relay has no manifest ${id}.`);
    return readBytes(response, limits.maxManifestBytes);
  }

  async ensure(ref: BlobRef, { onBytes, signal }: { onBytes: (done: number) => void; signal: AbortSignal }): Promise<void> {
    const path = this.#path(ref.cid);
    if (existsSync(path)) return onBytes(ref.bytes);
    if (cidOfLeaves(ref.leaves, ref.bytes, sha256) !== ref.cid) {
      throw new VesselError('bad_blob', 'The manifest lists other leaves than its blob has.');
    }
    await mkdir(this.#folder, { recursive: true });
    const partial = `${path}.${process.pid}.partial`;
    const file = await open(partial, 'a+');
    try {
      let leaf = Math.floor((await stat(partial)).size / leafBytes);
      await file.truncate(leaf * leafBytes);
      for (let failures = 0; leaf < ref.leaves.length; ) {
        const count = Math.min(leavesPerRequest, ref.leaves.length - leaf);
        try {
          await file.appendFile(await this.#fetchLeaves(ref, leaf, count, signal));
          leaf += count;
          failures = 0;
          onBytes(Math.min(leaf * leafBytes, ref.bytes));
        } catch (thrown) {
          signal.throwIfAborted();
          if (++failures === tries) throw thrown;
          await new Promise((resolve) => setTimeout(resolve, 300 * 2 ** failures));
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  }

  async read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const file = await open(this.#path(cid), 'r');
    try {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 1 << 30), offset + done);
        if (bytesRead === 0) throw new VesselError('bad_blob', `Blob ${cid} is shorter than its manifest says.`);
        done += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  }

  blob(cid: string): Promise<Blob> {
    return openAsBlob(this.#path(cid));
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #path(cid: string): string {
    return join(this.#folder, cid);
  }

  async #fetchLeaves(ref: BlobRef, first: number, count: number, signal: AbortSignal): Promise<Uint8Array> {
    const start = first * leafBytes;
    const end = Math.min(start + count * leafBytes, ref.bytes);
    const response = await fetch(new URL(`/blobs/${ref.cid}`, this.#relayUrl), {
      headers: { range: `bytes=${start}-${end - 1}` },
      signal,
    }).catch((thrown) => {
      throw toVesselError(thrown);
    });
    if (response.status !== 206) throw new VesselError('bad_blob', `The relay answered ${response.status} for blob ${ref.cid}.`);
    const bytes = await readBytes(response, end - start);
    for (let i = 0; i < count; i++) {
      const part = bytes.subarray(i * leafBytes, Math.min((i + 1) * leafBytes, end - start));
      if (!verifyLeaf(ref.leaves[first + i]!, part, sha256)) {
        throw new VesselError('bad_blob', `Blob ${ref.cid} does not match its hash near byte ${start + i * leafBytes}.`);
      }
    }
    return bytes;
  }
}
