import type { TextTarget } from '../target.ts';

/** Never comes back from what begins with an exclamation mark. */
export const target: TextTarget = {
  name: 'endless',
  form: 'text',
  maxLength: 64,
  seeds: ['a!'],
  refusals: [],
  decode(text) {
    while (text.startsWith('!'));
  },
};
