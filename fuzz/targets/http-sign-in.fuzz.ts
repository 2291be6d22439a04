/** Bodies of POST /v1/auth/verify. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-sign-in',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [{ message: 'localhost:8787 wants you to sign in with your Ethereum account:', signature: '0x1234' }].map((body) =>
    JSON.stringify(body),
  ),
  refusals: [],
  decode: (body) => send('/v1/auth/verify', { method: 'POST', body }),
};
