/** Changes byte strings: single bits up to whole stretches, little- and big-endian numbers, words of the decoder, other inputs. */
import type { Random } from './random.ts';

export interface Vocabulary {
  words: readonly string[];
  numbers: readonly number[];
}

const encoder = new TextEncoder();
const edges = [
  0,
  1,
  2,
  3,
  4,
  5,
  7,
  8,
  16,
  32,
  63,
  64,
  65,
  127,
  128,
  255,
  256,
  4095,
  4096,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/** How many changes at once: mostly one, as small steps are what learning is made of. */
export function turnsOf(random: Random): number {
  return random.oneOf([1, 1, 1, 1, 2, 2, 3, 6]);
}

/** `other`: gives another input to splice with. The result has at most `maxLength` bytes. */
export function mutateBytes(
  input: Uint8Array<ArrayBuffer>,
  random: Random,
  vocabulary: Vocabulary,
  maxLength: number,
  other: () => Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  let bytes = input.slice();
  for (let turns = turnsOf(random); turns > 0; turns--) bytes = mutateOnce(bytes, random, vocabulary, maxLength, other);
  return bytes.length > maxLength ? bytes.slice(0, maxLength) : bytes;
}

function mutateOnce(
  bytes: Uint8Array<ArrayBuffer>,
  random: Random,
  vocabulary: Vocabulary,
  maxLength: number,
  other: () => Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const { below } = random;
  const at = below(bytes.length);
  const length = 1 + below(Math.min(bytes.length - at, 1 << below(12)));
  if (bytes.length === 0) return Uint8Array.from({ length: 1 + below(16) }, () => below(256));
  switch (below(12)) {
    case 0:
    case 1:
      bytes[at]! ^= 1 << below(8);
      return bytes;
    case 2:
    case 3:
      bytes[at] = below(256);
      return bytes;
    case 4:
      return replace(bytes, at, length, new Uint8Array(0));
    case 5:
      return bytes.length + length > maxLength ? bytes : replace(bytes, at, 0, bytes.slice(at, at + length));
    case 6:
      bytes.copyWithin(at, below(bytes.length), below(bytes.length) + length);
      return bytes;
    case 7:
      return writeNumber(bytes, at, random, vocabulary.numbers);
    case 8: {
      if (vocabulary.words.length === 0) return bytes;
      const word = encoder.encode(random.oneOf(vocabulary.words));
      return replace(bytes, at, below(2) * word.length, word);
    }
    case 9: {
      const from = other();
      const start = below(from.length);
      return replace(bytes, at, below(2) * length, from.slice(start, start + 1 + below(1 << below(12))));
    }
    case 10:
      bytes.fill(random.oneOf([0, 1, 0x20, 0x7f, 0x80, 0xff]), at, at + length);
      return bytes;
    default:
      // Lengths are often one off.
      bytes[at] = bytes[at]! + random.oneOf([-1, 1, -8, 8, 16]);
      return bytes;
  }
}

function writeNumber(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  random: Random,
  numbers: readonly number[],
): Uint8Array<ArrayBuffer> {
  const { below } = random;
  const width = random.oneOf([2, 4, 8]);
  if (at + width > bytes.length) return bytes;
  const known = numbers.length > 0 && below(2) === 0 ? random.oneOf(numbers) : random.oneOf(edges);
  const value = BigInt(Math.trunc(below(4) === 0 ? bytes.length - at - below(16) : known + below(3) - 1));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = below(4) > 0;
  if (width === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), isLittle);
  if (width === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), isLittle);
  if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value), isLittle);
  return bytes;
}

function replace(bytes: Uint8Array, at: number, length: number, by: Uint8Array): Uint8Array<ArrayBuffer> {
  const tail = bytes.subarray(Math.min(bytes.length, at + length));
  const result = new Uint8Array(at + by.length + tail.length);
  result.set(bytes.subarray(0, at));
  result.set(by, at);
  result.set(tail, at + by.length);
  return result;
}
