import type { TextTarget } from '../target.ts';

/** Sets aside 256 MiB for what begins with an exclamation mark. */
export const target: TextTarget = {
  name: 'allocates',
  form: 'text',
  maxLength: 64,
  seeds: ['a!'],
  refusals: [],
  decode(text) {
    if (text.startsWith('!')) return new Uint8Array(256 * 1024 * 1024).length;
  },
};
