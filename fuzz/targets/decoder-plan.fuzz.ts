/** The `decoder` of a tokenizer.json. */
import { parseDecoderPlan } from '../../sdk/text/decoder-plan.ts';
import { TokenBytes } from '../../sdk/text/token-bytes.ts';
import type { TextTarget } from '../engine/target.ts';
import { smallDecoders } from '../samples/small-tokenizers.ts';

const tokens = ['<s>', 'a', '\u2581ab', '<0x41>', '\u0120b', '\u00e9', ''];

export const target: TextTarget = {
  name: 'decoder-plan',
  form: 'json',
  maxLength: 16 * 1024,
  seeds: smallDecoders.map((decoder) => JSON.stringify(decoder)),
  refusals: ['bad_checkpoint'],
  isRefusal: (thrown) => thrown instanceof SyntaxError && /JSON/.test(thrown.message),
  decode(text) {
    const plan = parseDecoderPlan(JSON.parse(text));
    const bytes = new TokenBytes(
      plan,
      (id) => tokens[id],
      (id) => id === 0,
    );
    for (let id = 0; id <= tokens.length; id++) bytes.of(id);
    return plan.alphabet;
  },
};
