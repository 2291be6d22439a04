/** A relay's blob door with faults: serves ranges, and breaks them as the test says. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { blobRefOf } from '../../shared/models/content-id.ts';
import type { BlobRef } from '../../shared/models/manifest.ts';

export type Fault =
  /** Closes the connection after so many bytes of the body. */
  | { kind: 'cut'; afterBytes: number }
  /** Flips one byte at this offset of the blob, if the request covers it. */
  | { kind: 'wrong'; at: number }
  | { kind: 'status'; status: number }
  /** Sends so many bytes and then nothing more, the connection open. */
  | { kind: 'hang'; afterBytes: number };

export class BlobServer {
  /** Byte ranges asked for, in order. */
  readonly requests: { cid: string; start: number; end: number }[] = [];
  /** Taken from the front, one per request; null serves it right. */
  faults: (Fault | null)[] = [];
  /** Holds while the queue is empty. */
  lastingFault: Fault | null = null;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #pages: Record<string, { type: string; body: string }>;
  readonly #server: Server;

  constructor(pages: Record<string, { type: string; body: string }>) {
    this.#pages = pages;
    this.#server = createServer((request, response) => this.#answer(request.url ?? '/', request.headers.range, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  addBlob(bytes: Uint8Array): BlobRef {
    const ref = blobRefOf(bytes);
    this.#blobs.set(ref.cid, bytes);
    return ref;
  }

  #answer(url: string, range: string | undefined, response: ServerResponse): void {
    const page = this.#pages[url];
    if (page !== undefined) {
      response.writeHead(200, { 'content-type': page.type }).end(page.body);
      return;
    }
    const cid = url.replace('/blobs/', '');
    const blob = this.#blobs.get(cid);
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    if (blob === undefined || match === null) {
      response.writeHead(404).end();
      return;
    }
    const start = Number(match[1]);
    const end = Math.min(Number(match[2]) + 1, blob.length);
    this.requests.push({ cid, start, end });
    const fault = this.faults.shift() ?? this.lastingFault;
    if (fault?.kind === 'status') {
      response.writeHead(fault.status).end();
      return;
    }
    const body = blob.slice(start, end);
    if (fault?.kind === 'wrong' && fault.at >= start && fault.at < end) body[fault.at - start]! ^= 1;
    response.writeHead(206, { 'content-length': body.length, 'content-range': `bytes ${start}-${end - 1}/${blob.length}` });
    if (fault?.kind === 'cut') response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
    else if (fault?.kind === 'hang') response.write(body.subarray(0, fault.afterBytes));
    else response.end(body);
  }
}
