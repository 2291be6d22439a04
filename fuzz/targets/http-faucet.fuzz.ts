/** Bodies of POST /v1/faucet. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-faucet',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [{ address: '0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1' }].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/faucet', { method: 'POST', body }),
};
