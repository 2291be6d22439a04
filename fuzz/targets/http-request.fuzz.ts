/** Any request: `[method, path and query, headers]`, on every route that reads more than a body. */
import { z } from 'zod';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';
import { at } from '../samples/message-samples.ts';

const { send, secret } = await fuzzedRelay();
/** Only what a client can send at all. */
const headerText = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/)
  .max(2000);
const schema = z.tuple([
  z.enum(['GET', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PUT']),
  z
    .string()
    .regex(/^\/[\x21-\x7e]*$/)
    .max(2000),
  z.record(z.string().regex(/^[a-z][a-z-]{0,30}$/), headerText),
]);
const bearer = { authorization: `Bearer ${secret}` };

export const target: TextTarget = {
  name: 'http-request',
  form: 'json',
  maxLength: 16 * 1024,
  seeds: [
    ['GET', '/v1/models', bearer],
    ['GET', '/v1/models/bytes', { authorization: 'Bearer vsl_wrong' }],
    ['GET', '/v1/services/org%2Fvoice', { 'x-forwarded-for': '1.2.3.4, 5.6.7.8' }],
    ['GET', '/v1/price?model=bytes&prompt_tokens=10&max_tokens=5', {}],
    ['GET', `/v1/payroll/${at('1')}/epochs`, {}],
    ['GET', '/v1/payroll/epochs/1', {}],
    ['GET', `/v1/accounts/${at('3')}/earnings`, {}],
    ['GET', '/v1/auth/session', { cookie: 'vessel_session=vst_x' }],
    ['DELETE', '/v1/keys/key_1', { authorization: 'Bearer vst_x' }],
    ['OPTIONS', '/v1/chat/completions', { origin: 'https://example.com', 'access-control-request-method': 'POST' }],
    ['GET', '/openapi.json', {}],
    ['HEAD', '/health', {}],
  ].map((request) => JSON.stringify(request)),
  refusals: ['bad_message'],
  decode(text) {
    const [method, path, headers] = parseMessage(schema, text);
    return send(path, { method, headers });
  },
};
