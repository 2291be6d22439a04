/**
 * Half precision and bfloat16 as bit patterns, because typed arrays of them are not in every browser. The machine is little-endian,
 * as every platform with WebGPU is.
 */
const word = new Uint32Array(1);
const single = new Float32Array(word.buffer);

/** Largest magnitude that still rounds to a finite half: half way between 65,504 and 65,536, exclusive. */
const firstOverflow = 0x477ff000;
const smallestNormal = 0x38800000;
/** Adding and subtracting 2^52 rounds a double to a whole number, ties to even. */
const rounder = 2 ** 52;

function bitsToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= firstOverflow) return magnitude > 0x7f800000 ? sign | 0x7e00 : sign | 0x7c00;
  if (magnitude >= smallestNormal) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  word[0] = magnitude;
  return sign | (single[0]! * 2 ** 24 + rounder - rounder);
}

/** The half nearest to `value` (ties to even) as bits; what does not fit becomes infinity. */
export function f16Bits(value: number): number {
  single[0] = value;
  return bitsToF16(word[0]!);
}

let table: Float32Array | undefined;

/** Every half as a float: 256 KiB, built on first use, and far faster than shifting bits per element. */
function halves(): Float32Array {
  if (table) return table;
  table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 31
        ? fraction
          ? Number.NaN
          : Number.POSITIVE_INFINITY
        : exponent
          ? 2 ** (exponent - 15) * (1 + fraction / 1024)
          : fraction * 2 ** -24;
    table[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return table;
}

export function f16Value(bits: number): number {
  return halves()[bits & 0xffff]!;
}

/** The bfloat16 nearest to `value` (ties to even) as bits. */
export function bf16Bits(value: number): number {
  single[0] = value;
  const bits = word[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

export function bf16Value(bits: number): number {
  word[0] = bits << 16;
  return single[0]!;
}

export function decodeF16(from: Uint16Array, into: Float32Array): void {
  const values = halves();
  for (let i = 0; i < from.length; i++) into[i] = values[from[i]!]!;
}

export function decodeBf16(from: Uint16Array, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16;
}

/** Rounds floats to halves. Returns the index of the first one beyond the range of a half, or -1. */
export function encodeF16(from: Float32Array, into: Uint16Array): number {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  let overflow = -1;
  for (let i = 0; i < bits.length; i++) {
    const half = bitsToF16(bits[i]!);
    if ((half & 0x7c00) === 0x7c00 && overflow < 0) overflow = i;
    into[i] = half;
  }
  return overflow;
}
