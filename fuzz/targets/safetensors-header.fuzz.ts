/** The JSON of a safetensors header, in a file that is as long as the header says. What it gives must lie inside the file, apart. */
import { ok } from 'node:assert/strict';
import { readSafetensorsHeader } from '../../shared/models/safetensors.ts';
import type { TextTarget } from '../engine/target.ts';

const entry = (dtype: string, shape: number[], from: number, to: number) => ({ dtype, shape, data_offsets: [from, to] });

export const target: TextTarget = {
  name: 'safetensors-header',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: [
    { __metadata__: { format: 'pt' }, a: entry('F32', [2, 2], 0, 16), b: entry('BF16', [3], 16, 22) },
    { a: entry('U8', [4], 0, 4), b: entry('I64', [], 4, 12), c: entry('F16', [0, 5], 12, 12) },
    {},
  ].map((header) => JSON.stringify(header)),
  refusals: ['bad_checkpoint'],
  async decode(text) {
    const header = new TextEncoder().encode(text);
    const head = new Uint8Array(8 + header.length);
    new DataView(head.buffer).setBigUint64(0, BigInt(header.length), true);
    head.set(header, 8);
    const size = head.length + endOf(text);
    const found = await readSafetensorsHeader(
      {
        files: async () => ['x'],
        size: async () => size,
        read: async (_file, offset, length) => head.slice(offset, offset + length),
      },
      'x',
    );
    for (const { offset, length } of found.values()) {
      ok(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && length >= 0);
      ok(offset >= head.length && offset + length <= size);
    }
    return `${Math.min(found.size, 3)}`;
  },
};

/** The largest number in any `data_offsets`, so that the file has the length the header calls for. */
function endOf(text: string): number {
  let end = 0;
  for (const [, to] of text.matchAll(/"data_offsets":\[\d+,(\d{1,15})\]/g)) end = Math.max(end, Number(to));
  return end;
}
