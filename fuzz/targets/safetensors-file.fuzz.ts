/** A whole safetensors file, byte by byte. */
import { readSafetensorsHeader } from '../../shared/models/safetensors.ts';
import { encodeSafetensors } from '../../testing/safetensors-writer.ts';
import type { BytesTarget } from '../engine/target.ts';
import { fileSource } from '../samples/file-source.ts';

const tensor = (name: string, dtype: string, shape: number[], bytes: number) => ({
  name,
  dtype,
  shape,
  bytes: new Uint8Array(bytes),
});

export const target: BytesTarget = {
  name: 'safetensors-file',
  form: 'bytes',
  maxLength: 2048,
  seeds: [
    encodeSafetensors([tensor('a', 'F32', [2, 2], 16), tensor('b', 'BF16', [3], 6)]),
    encodeSafetensors([]),
    new Uint8Array(8),
  ],
  refusals: ['bad_checkpoint'],
  async decode(bytes) {
    const found = await readSafetensorsHeader(fileSource(new Map([['x', bytes]])), 'x');
    return `${Math.min(found.size, 3)}`;
  },
};
