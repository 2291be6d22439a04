/** Bodies of POST /v1/accounts/payout. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';
import { at } from '../samples/message-samples.ts';

const word = `0x${'ab'.repeat(32)}`;
const order = (more: object) => ({ account: at('3'), deadline: '2000000000', ...more });
const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-payout',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [
    order({ kind: 'set-payout', payout: at('5'), by: 'device', signature: { x: word, y: word, r: word, s: word } }),
    order({
      kind: 'add-key',
      key: at('5'),
      by: 'passkey',
      signature: {
        x: word,
        y: word,
        auth: {
          r: word,
          s: word,
          challengeIndex: '23',
          typeIndex: '1',
          authenticatorData: `0x${'00'.repeat(37)}`,
          clientDataJSON: '{"type":"webauthn.get","challenge":"x"}',
        },
      },
    }),
  ].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/accounts/payout', { method: 'POST', body }),
};
