import type { BlobReader } from '../provider/runtime/shard-runtime.ts';
import type { BlobSink } from '../shared/models/checkpoint-source.ts';
import { blobRefOf } from '../shared/models/content-id.ts';
import type { BlobRef } from '../shared/models/manifest.ts';

/** A blob store in memory: what a converter writes to and a runtime reads from. */
export class MemoryBlobs implements BlobSink, BlobReader {
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();

  async put(bytes: Uint8Array<ArrayBuffer>): Promise<BlobRef> {
    const ref = blobRefOf(bytes);
    this.blobs.set(ref.cid, bytes);
    return ref;
  }

  async read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.require(cid);
    if (offset + length > bytes.length) throw new RangeError(`Blob ${cid} has ${bytes.length} bytes`);
    return bytes.slice(offset, offset + length);
  }

  async blob(cid: string): Promise<Blob | null> {
    return new Blob([this.require(cid)]);
  }

  private require(cid: string): Uint8Array<ArrayBuffer> {
    const bytes = this.blobs.get(cid);
    if (!bytes) throw new Error(`No blob ${cid}`);
    return bytes;
  }
}
