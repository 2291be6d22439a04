import type { TextTarget } from '../target.ts';

/** Ends the process, as V8 does when a list is too long. */
export const target: TextTarget = {
  name: 'aborts',
  form: 'text',
  maxLength: 64,
  seeds: ['a!'],
  refusals: [],
  decode(text) {
    if (text.startsWith('!')) process.kill(process.pid, 'SIGKILL');
  },
};
