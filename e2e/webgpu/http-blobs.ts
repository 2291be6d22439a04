/** Blobs that the harness serves, kept once fetched. */
import type { BlobReader } from '../../provider/runtime/shard-runtime.ts';

export class HttpBlobs implements BlobReader {
  readonly #blobs = new Map<string, Promise<Blob>>();

  blob(cid: string): Promise<Blob> {
    let blob = this.#blobs.get(cid);
    if (!blob) {
      blob = fetch(`/blobs/${cid}`).then((response) => response.blob());
      this.#blobs.set(cid, blob);
    }
    return blob;
  }

  async read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await (await this.blob(cid)).slice(offset, offset + length).arrayBuffer());
  }
}
