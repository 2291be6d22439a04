import { VesselError } from '../../../shared/protocol/errors.ts';
import type { BytesTarget } from '../target.ts';

/** Crashes on one word of six bytes, compared byte by byte. Its pieces are written so that no literal gives them away. */
const word = Uint8Array.of(0x56, 0x45, 0x53, 0x53, 0x45, 0x4c);

export const target: BytesTarget = {
  name: 'deep-crash',
  form: 'bytes',
  maxLength: 64,
  seeds: [new Uint8Array(6)],
  refusals: ['bad_message'],
  decode(bytes) {
    if (bytes[0] !== word[0]) throw new VesselError('bad_message');
    if (bytes[1] !== word[1]) throw new VesselError('bad_message');
    if (bytes[2] !== word[2]) throw new VesselError('bad_message');
    if (bytes[3] !== word[3]) throw new VesselError('bad_message');
    if (bytes[4] !== word[4]) throw new VesselError('bad_message');
    if (bytes[5] !== word[5]) throw new VesselError('bad_message');
    throw new TypeError('found');
  },
};
