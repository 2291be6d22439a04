/**
 * Symmetric quantization in blocks of 32, in the packing of MatMulNBits: a weight is scale * (stored - zero point), the zero point
 * is 128 (8 bits) or 8 (4 bits), the scale a half. Scales are rounded to a half before the weights are, so that the rounding of
 * the scale costs nothing extra. Four bits: two weights a byte, the even one in the low nibble.
 */
import { f16Bits, f16Value } from './float16.ts';
import { quantBlock } from './manifest.ts';

export type QuantBits = 4 | 8;

/** Blocks in a row of `columns` weights; the last one is filled up with zeros. */
export function blocksIn(columns: number): number {
  return Math.ceil(columns / quantBlock);
}

/** Bytes one packed block takes. */
export function blockBytes(bits: QuantBits): number {
  return (quantBlock * bits) / 8;
}

/**
 * Quantizes one row into `packed` and `scales` (bits of halves), both exactly one row long.
 * Returns false if a weight is too large for a scale to be a half.
 */
export function quantizeRow(row: Float32Array, bits: QuantBits, packed: Uint8Array, scales: Uint16Array): boolean {
  const bytes = blockBytes(bits);
  for (let block = 0; block < scales.length; block++) {
    const from = block * quantBlock;
    const to = Math.min(from + quantBlock, row.length);
    const half = f16Bits(bits === 8 ? scale8(row, from, to) : scale4(row, from, to));
    if ((half & 0x7c00) === 0x7c00) return false;
    scales[block] = half;
    const scale = f16Value(half);
    const inverse = scale === 0 ? 0 : 1 / scale;
    const start = block * bytes;
    if (bits === 8) {
      for (let i = 0; i < bytes; i++) {
        const at = from + i;
        packed[start + i] = at < to ? step8(row[at]! * inverse) : 128;
      }
    } else {
      for (let i = 0; i < bytes; i++) {
        const at = from + 2 * i;
        const low = at < to ? step4(row[at]! * inverse) : 8;
        const high = at + 1 < to ? step4(row[at + 1]! * inverse) : 8;
        packed[start + i] = low | (high << 4);
      }
    }
  }
  return true;
}

/** The weights a packed row stands for; `into` may be shorter than the blocks. For tests and for CPU paths that unpack. */
export function dequantizeRow(packed: Uint8Array, scales: Uint16Array, bits: QuantBits, into: Float32Array): void {
  const bytes = blockBytes(bits);
  for (let i = 0; i < into.length; i++) {
    const block = Math.floor(i / quantBlock);
    const within = i % quantBlock;
    const scale = f16Value(scales[block]!);
    if (bits === 8) into[i] = scale * (packed[block * bytes + within]! - 128);
    else into[i] = scale * (((packed[block * bytes + (within >> 1)]! >> ((within & 1) * 4)) & 15) - 8);
  }
}

function scale8(row: Float32Array, from: number, to: number): number {
  return Math.abs(extreme(row, from, to)) / 127;
}

/**
 * Where the largest weight should land, in steps. -8 uses the whole range but clips an equally large weight of the other sign;
 * the others trade clipping against resolution.
 */
const landings4 = [-8, -8.6, -7.6, -7.2, -6.8, 7];

/**
 * Tries a few landings; for each, the scale with the least squared error for the integers it gives is sum(x q) / sum(q q), and the
 * error falls by sum(x q)^2 / sum(q q): the landing with the largest such gain wins.
 */
function scale4(row: Float32Array, from: number, to: number): number {
  const most = extreme(row, from, to);
  if (most === 0) return 0;
  let best = 0;
  let bestGain = 0;
  for (const landing of landings4) {
    const inverse = landing / most;
    let xq = 0;
    let qq = 0;
    for (let i = from; i < to; i++) {
      const q = step4(row[i]! * inverse) - 8;
      xq += row[i]! * q;
      qq += q * q;
    }
    const gain = (xq * xq) / qq;
    if (gain > bestGain) {
      bestGain = gain;
      best = xq / qq;
    }
  }
  return best;
}

/** The weight of largest magnitude, with its sign. */
function extreme(row: Float32Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) if (Math.abs(row[i]!) > Math.abs(most)) most = row[i]!;
  return most;
}

/** The nearest of the steps 0 to 15, of which 8 is zero. Cutting off a positive number is several times faster than Math.round. */
function step4(steps: number): number {
  const step = (steps + 8.5) | 0;
  return step < 0 ? 0 : Math.min(step, 15);
}

/** The nearest of the steps 0 to 255, of which 128 is zero. */
function step8(steps: number): number {
  const step = (steps + 128.5) | 0;
  return step < 0 ? 0 : Math.min(step, 255);
}
