/** Bodies of POST /v1/chat/completions. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-chat',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [
    { model: 'bytes', messages: [{ role: 'user', content: 'hi' }], max_tokens: 8 },
    {
      model: 'bytes',
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'ho' },
      ],
      max_completion_tokens: 4,
      n: 2,
      seed: 1,
      temperature: 0.5,
      top_p: 0.9,
      logit_bias: { 5: 1 },
      logprobs: true,
      top_logprobs: 2,
      stop: ['x'],
      stream: true,
      stream_options: { include_usage: true },
      vessel: { detail: true },
    },
  ].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/chat/completions', { method: 'POST', body }),
};
