/** JSON bodies of POST /v1/services/{model}. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-service',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [
    { order: { format: 'gray8', width: 2, height: 1 }, input: 'BwA=' },
    {
      orders: [
        { order: { format: 'rgb8', width: 1, height: 1 }, input: 'BwAA' },
        { order: { format: 'gray8', width: 1, height: 1 }, input: 'Bw==' },
      ],
    },
  ].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/services/digits', { method: 'POST', body }),
};
