/** An order stream as a hop reads it: records, text, attachments, messages. Whatever arrives, the stream ends with a reason at worst. */
import { OrderLink } from '../../sdk/net/order-link.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { askerMessageSchema } from '../../shared/protocol/order-messages.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import { encodeRecord } from '../../shared/protocol/record-reader.ts';
import { FakeStream } from '../../testing/fake-stream.ts';
import type { BytesTarget } from '../engine/target.ts';
import { askerMessages, session } from '../samples/message-samples.ts';

const text = (message: object) => encodeRecord('text', new TextEncoder().encode(JSON.stringify(message)));
const run = { type: 'service-run', session, run: 1, order: {}, bytes: 3 };

export const target: BytesTarget = {
  name: 'order-stream',
  form: 'bytes',
  maxLength: 8192,
  seeds: [
    ...askerMessages.map(text),
    Uint8Array.from([...text(run), ...encodeRecord('bytes', Uint8Array.of(1, 2, 3)), ...text({ type: 'close', session })]),
    encodeRecord('bytes', Uint8Array.of(1)),
  ],
  refusals: ['bad_message', 'frame_too_large'],
  decode(bytes) {
    const stream = new FakeStream();
    const seen: string[] = [];
    new OrderLink(stream.asStream()).listen({
      onMessage: (message, attachment) => seen.push(`${parseMessage(askerMessageSchema, message).type}${attachment ? '+' : ''}`),
      onClose: () => {},
    });
    stream.arrive(bytes);
    // The code of what the stream was ended with travels on; its cause says where it is from.
    if (stream.aborted)
      throw stream.aborted instanceof VesselError ? (causeOf(stream.aborted) ?? stream.aborted) : stream.aborted;
    return seen.slice(0, 3).join();
  },
};

function causeOf(error: VesselError): unknown {
  return error.code === 'internal' ? error.cause : null;
}
