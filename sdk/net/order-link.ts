/** One order stream: JSON messages, a `service-run` followed by its bytes. */
import type { Stream } from '@libp2p/interface';
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { stringifyMessage } from '../../shared/protocol/stringify-message.ts';
import { StreamRecords } from './stream-records.ts';

export interface OrderHandlers {
  /** `attachment` holds the bytes announced by a `service-run`. A throw ends the stream. */
  onMessage: (text: string, attachment?: Uint8Array<ArrayBuffer>) => void;
  onClose: (error: VesselError | null) => void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export class OrderLink {
  readonly #stream: Stream;
  #records: StreamRecords | null = null;
  /** A message that waits for its bytes. */
  #pending: string | null = null;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  listen(handlers: OrderHandlers): void {
    const maxBytes = { text: limits.maxMessageBytes, bytes: limits.maxServiceBytes };
    this.#records = new StreamRecords(this.#stream, maxBytes, {
      onRecord: (kind, body) => {
        if (kind === 'bytes') {
          const text = this.#pending;
          this.#pending = null;
          if (text === null) throw new VesselError('bad_message', 'Bytes that no order announced.');
          handlers.onMessage(text, body);
          return;
        }
        if (this.#pending !== null) throw new VesselError('bad_message', 'The bytes of an order are missing.');
        const text = textOf(body);
        if (announcesBytes(text)) this.#pending = text;
        else handlers.onMessage(text);
      },
      onClose: handlers.onClose,
    });
  }

  get isOpen(): boolean {
    return this.#records?.isOpen ?? false;
  }

  async send(message: object, attachment?: Uint8Array): Promise<void> {
    const sent = [this.#records!.send('text', encoder.encode(stringifyMessage(message)))];
    // Queued without waiting for the text: a message of another session must not come between the two.
    if (attachment && attachment.byteLength > 0) sent.push(this.#records!.send('bytes', attachment));
    await Promise.all(sent);
  }

  close(): void {
    this.#records?.close();
  }
}

function textOf(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (cause) {
    throw new VesselError('bad_message', 'The message is not UTF-8.', { cause });
  }
}

/** Only a `service-run` with bytes > 0 has an attachment; the schema check comes with the message itself. */
function announcesBytes(text: string): boolean {
  if (!text.includes('"service-run"')) return false;
  try {
    const message = JSON.parse(text) as { type?: unknown; bytes?: unknown };
    return message.type === 'service-run' && typeof message.bytes === 'number' && message.bytes > 0;
  } catch {
    return false;
  }
}
