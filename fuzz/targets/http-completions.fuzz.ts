/** Bodies of POST /v1/completions. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-completions',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [
    { model: 'bytes', prompt: 'hi', max_tokens: 4 },
    {
      model: 'bytes',
      prompt: ['a', 'b'],
      n: 2,
      max_tokens: 2,
      logprobs: 1,
      echo: false,
      suffix: null,
      stop: 'x',
      vessel: { ignore_eos: true },
    },
    { model: 'bytes', prompt: [10, 20, 30], stream: true, max_tokens: 3 },
    { model: 'bytes', prompt: [[10], [20]], max_tokens: 1 },
  ].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/completions', { method: 'POST', body }),
};
