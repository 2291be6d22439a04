import type { TextTarget } from '../target.ts';

const kept: Uint8Array[] = [];

/** Forgets nothing. */
export const target: TextTarget = {
  name: 'keeps',
  form: 'text',
  maxLength: 64,
  seeds: ['a!'],
  refusals: [],
  decode(text) {
    kept.push(new Uint8Array(16_384).fill(text.length));
  },
};
