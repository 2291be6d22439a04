/** Orders of services as plain bytes: `[content type, vessel-order header, body]`. */
import { z } from 'zod';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send, headers } = await fuzzedRelay();
/** Only what a client can send at all. */
const headerText = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/)
  .max(8000);
const schema = z.tuple([headerText, headerText, z.string().max(1000)]);

export const target: TextTarget = {
  name: 'http-service-bytes',
  form: 'json',
  maxLength: 16 * 1024,
  seeds: [
    ['application/octet-stream', '{"format":"gray8","width":2,"height":1}', 'ab'],
    ['application/octet-stream; x=y', '{}', ''],
    ['image/png', '', 'a'],
  ].map((request) => JSON.stringify(request)),
  refusals: ['bad_message'],
  decode(text) {
    const [type, order, body] = parseMessage(schema, text);
    return send('/v1/services/digits', {
      method: 'POST',
      body,
      headers: { ...headers, 'content-type': type, 'vessel-order': order },
    });
  },
};
