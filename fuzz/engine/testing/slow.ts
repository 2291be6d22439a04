import type { TextTarget } from '../target.ts';

/** Takes seconds for what begins with an exclamation mark. */
export const target: TextTarget = {
  name: 'slow',
  form: 'text',
  maxLength: 64,
  seeds: ['a!'],
  refusals: [],
  decode(text) {
    let sum = 0;
    if (text.startsWith('!')) for (let i = 0; i < 1e8; i++) sum = (sum + i * i) % 1013;
    return sum;
  },
};
