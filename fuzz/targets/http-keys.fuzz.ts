/** What a wallet that is signed in sends about its API keys: `[method, path, body]`. */
import { z } from 'zod';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send, signedIn, ownKey } = await fuzzedRelay();
const id = await ownKey();
const schema = z.tuple([
  z.enum(['POST', 'PATCH']),
  z
    .string()
    .regex(/^\/[A-Za-z0-9/_-]*$/)
    .max(100),
  z.json(),
]);

export const target: TextTarget = {
  name: 'http-keys',
  form: 'json',
  maxLength: 16 * 1024,
  seeds: [
    ['POST', '/v1/keys', { name: 'a', cap: '1000', expiry: 1_800_000_000 }],
    ['POST', `/v1/keys/${id}/authorize`, { signature: '0x1234' }],
    ['PATCH', `/v1/keys/${id}`, { spend_limit: null }],
  ].map((request) => JSON.stringify(request)),
  refusals: ['bad_message'],
  async decode(text) {
    const [method, path, body] = parseMessage(schema, text);
    return send(path, { method, body: JSON.stringify(body), headers: await signedIn() });
  },
};
