/** Frame streams between hops: one per direction and peer, opened once, refusals travelling back on the same stream. */
import type { Stream } from '@libp2p/interface';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { type FrameRefusal, frameRefusalSchema, maxRefusalBytes } from '../../shared/protocol/frame-refusal.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import { StreamRecords } from './stream-records.ts';

/** `refuse` may be called once, also later: it tells the sender. */
export type FrameHandler = (peer: string, frame: Uint8Array<ArrayBuffer>, refuse: (refusal: FrameRefusal) => void) => void;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class FrameLinks {
  readonly #openStream: (peer: string) => Promise<Stream>;
  readonly #links = new Map<string, Promise<StreamRecords>>();
  /** Streams that others opened to us. */
  readonly #served = new Set<StreamRecords>();
  /** Of the links, those that are open. */
  readonly #inUse = new Map<string, StreamRecords>();
  onRefusal: (peer: string, refusal: FrameRefusal) => void = () => {};
  onLost: (peer: string) => void = () => {};

  constructor(openStream: (peer: string) => Promise<Stream>) {
    this.#openStream = openStream;
  }

  /** The outgoing link to `peer`, opened when there is none. */
  link(peer: string): Promise<StreamRecords> {
    let link = this.#links.get(peer);
    if (!link) {
      link = this.#open(peer);
      this.#links.set(peer, link);
      link.catch(() => this.#links.delete(peer));
    }
    return link;
  }

  async send(peer: string, frame: Uint8Array): Promise<void> {
    await (await this.link(peer)).send('frame', frame);
  }

  serve(stream: Stream, peer: string, onFrame: FrameHandler): void {
    const records: StreamRecords = new StreamRecords(
      stream,
      { frame: limits.maxFrameBytes },
      {
        onRecord: (_kind, body) => {
          onFrame(peer, body, (refusal) => {
            void records.send('refusal', encoder.encode(JSON.stringify(refusal))).catch(() => undefined);
          });
        },
        onClose: () => this.#served.delete(records),
      },
    );
    this.#served.add(records);
  }

  /** Ends the streams that others opened to us. They open new ones, to whoever serves next. */
  endServed(): void {
    for (const records of this.#served) records.close();
  }

  /** The connection to `peer` is gone. */
  lost(peer: string): void {
    this.#links.delete(peer);
    this.#inUse.delete(peer);
    this.onLost(peer);
  }

  /** A link that ends is a loss only while it is the one in use. */
  #closed(peer: string, records: StreamRecords): void {
    if (this.#inUse.get(peer) === records) this.lost(peer);
  }

  async #open(peer: string): Promise<StreamRecords> {
    try {
      const stream = await this.#openStream(peer);
      const records: StreamRecords = new StreamRecords(
        stream,
        { refusal: maxRefusalBytes },
        {
          onRecord: (_kind, body) => this.onRefusal(peer, parseMessage(frameRefusalSchema, decoder.decode(body))),
          onClose: () => this.#closed(peer, records),
        },
      );
      this.#inUse.set(peer, records);
      return records;
    } catch (thrown) {
      const error = toVesselError(thrown);
      if (error.code !== 'internal') throw error;
      throw new VesselError('provider_lost', `No link to the next hop could be opened: ${error.message}.`, { cause: thrown });
    }
  }
}
