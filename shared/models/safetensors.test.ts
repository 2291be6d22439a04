import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCheckpoint } from '../../testing/checkpoint-folder.ts';
import { encodeSafetensors } from '../../testing/safetensors-writer.ts';
import { maxHeaderBytes, readSafetensorsHeader } from './safetensors.ts';

const tensors = [
  { name: 'a', dtype: 'F32', shape: [2, 3], bytes: new Uint8Array(24) },
  { name: 'b', dtype: 'BF16', shape: [4], bytes: new Uint8Array(8) },
];

function header(bytes: Uint8Array<ArrayBuffer>) {
  return readSafetensorsHeader(memoryCheckpoint(new Map([['x.safetensors', bytes]])), 'x.safetensors');
}

function refuses(name: string, bytes: Uint8Array<ArrayBuffer>, reason: RegExp): void {
  test(`${name} is refused`, () => assert.rejects(header(bytes), { code: 'bad_checkpoint', message: reason }));
}

/** A file whose header has entry `b` replaced. */
function altered(entry: object): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(tensors, (fields) => {
    fields.b = entry;
  });
}

/** A file with this header text and `length` bytes of tensors. */
function withHeader(text: string, length = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 + text.length + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(new TextEncoder().encode(text), 8);
  return bytes;
}

function withLength(length: bigint): Uint8Array<ArrayBuffer> {
  const bytes = encodeSafetensors(tensors);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

test('a header tells where each tensor lies', async () => {
  const bytes = encodeSafetensors(tensors);
  const found = await header(bytes);
  const start = bytes.length - 32;
  assert.deepEqual([...found.keys()], ['a', 'b']);
  assert.deepEqual(found.get('b'), { file: 'x.safetensors', dtype: 'BF16', shape: [4], offset: start + 24, length: 8 });
});

const whole = encodeSafetensors(tensors);
refuses('an empty file', new Uint8Array(0), /it has 0 bytes/);
refuses('a file cut off in its header', whole.slice(0, 30), /ends inside its header/);
refuses('a file cut off in its tensors', whole.slice(0, -1), /the file is cut off/);
refuses('a file with bytes left over', new Uint8Array([...whole, 0]), /1 bytes at its end belong to no tensor/);
refuses(
  'a header length beyond the format’s bound',
  withLength(BigInt(maxHeaderBytes) + 1n),
  /not the length of a safetensors header/,
);
refuses('a header length beyond the file', withLength(1000n), /ends inside its header/);
refuses('a header length of 2^64 - 1', withLength(2n ** 64n - 1n), /not the length of a safetensors header/);
refuses('a header that is not JSON', withHeader('{"a":'), /header is not JSON/);
refuses('a header that is not text', withLength(40n).fill(0xff, 8), /header is not JSON/);
refuses('a header that is a list', withHeader('[]'), /not a JSON object/);
refuses('an entry without offsets', altered({ dtype: 'BF16', shape: [4] }), /entry for b is malformed/);
refuses('a negative size', altered({ dtype: 'BF16', shape: [-4], data_offsets: [24, 32] }), /entry for b is malformed/);
refuses('an unknown dtype', altered({ dtype: 'Q7', shape: [4], data_offsets: [24, 32] }), /unknown dtype Q7/);
refuses(
  'a range that does not fit the shape',
  altered({ dtype: 'BF16', shape: [5], data_offsets: [24, 32] }),
  /needs 10 bytes, its range has 8/,
);
refuses('a range that ends before it starts', altered({ dtype: 'BF16', shape: [4], data_offsets: [32, 24] }), /its range has -8/);
refuses('overlapping tensors', altered({ dtype: 'BF16', shape: [4], data_offsets: [20, 28] }), /overlaps/);
refuses('a hole between tensors', altered({ dtype: 'BF16', shape: [2], data_offsets: [28, 32] }), /belong to no tensor/);
refuses('a range beyond the file', altered({ dtype: 'BF16', shape: [8], data_offsets: [24, 40] }), /cut off/);
refuses(
  'a tensor named twice',
  withHeader('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2),
  /belong to no tensor/,
);
