/** Records over one libp2p stream: reading with bounds, writing one at a time while the transport's buffer allows. */
import type { Stream } from '@libp2p/interface';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { encodeRecord, type RecordKind, RecordReader } from '../../shared/protocol/record-reader.ts';

/** A reader that stands still this long while we write is gone: a frame never takes longer to leave. */
const drainDeadlineMs = 20_000;

export class StreamRecords {
  readonly #stream: Stream;
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    stream: Stream,
    maxBytes: Partial<Record<RecordKind, number>>,
    handlers: {
      onRecord: (kind: RecordKind, body: Uint8Array<ArrayBuffer>) => void;
      /** Called once, however the stream ended. */
      onClose: (error: VesselError | null) => void;
    },
  ) {
    this.#stream = stream;
    // Nothing flows while a model thinks; liveness is the heartbeat's business.
    stream.inactivityTimeout = 2 ** 31 - 1;
    const reader = new RecordReader(maxBytes, handlers.onRecord);
    stream.addEventListener('message', (event) => {
      try {
        reader.push(event.data.subarray());
      } catch (thrown) {
        this.#fail(toVesselError(thrown));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined));
    stream.addEventListener(
      'close',
      (event) => {
        this.#closed = true;
        handlers.onClose(event.error ? new VesselError('provider_lost', event.error.message, { cause: event.error }) : null);
      },
      { once: true },
    );
  }

  get isOpen(): boolean {
    return !this.#closed && this.#stream.writeStatus === 'writable';
  }

  /** Resolves when the record is with the transport. Rejects with `provider_lost` when the stream is gone. */
  send(kind: RecordKind, body: Uint8Array): Promise<void> {
    const record = encodeRecord(kind, body);
    const sent = this.#tail.then(() => this.#write(record));
    this.#tail = sent.catch(() => undefined);
    return sent;
  }

  close(): void {
    void this.#stream.close().catch(() => undefined);
  }

  abort(why: string): void {
    this.#fail(new VesselError('cancelled', why));
  }

  async #write(record: Uint8Array): Promise<void> {
    if (!this.isOpen) throw new VesselError('provider_lost', 'The link is closed.');
    try {
      if (!this.#stream.send(record)) await this.#stream.onDrain({ signal: AbortSignal.timeout(drainDeadlineMs) });
    } catch (cause) {
      throw new VesselError('provider_lost', 'The link broke while sending.', { cause });
    }
  }

  #fail(error: VesselError): void {
    if (!this.#closed) this.#stream.abort(error);
  }
}
