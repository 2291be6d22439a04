/** What a model of each encoding really computes with: the reference runs on these weights and must then agree exactly. */
import { paddedHeadDim } from '../shared/models/architecture.ts';
import { f16Bits, f16Value } from '../shared/models/float16.ts';
import type { ModelDtype } from '../shared/models/manifest.ts';
import { blockBytes, blocksIn, dequantizeRow, quantizeRow } from '../shared/models/quantize.ts';
import type { WeightChange } from './reference-forward.ts';

/** Matrices rounded to the encoding and back; vectors (norms, biases) stay f32 in every encoding. */
export function roundedWeights(dtype: ModelDtype, headDim: number): WeightChange {
  return (name, values, shape) => {
    if (dtype === 'f32' || shape.length !== 2) return values;
    if (dtype === 'f16') return values.map((value) => f16Value(f16Bits(value)));
    const columns = shape[1]!;
    // Blocks of the output projection run over heads as they are stored: padded.
    const places = name.endsWith('o_proj.weight') ? paddedPlaces(columns, headDim) : null;
    const width = places ? (columns / headDim) * paddedHeadDim(headDim) : columns;
    const rounded = new Float32Array(values.length);
    for (let at = 0; at < values.length; at += columns) {
      const row = values.subarray(at, at + columns);
      if (!places) {
        rounded.set(roundTrip(row, dtype === 'q4' ? 4 : 8), at);
        continue;
      }
      const spread = new Float32Array(width);
      for (const [column, place] of places.entries()) spread[place] = row[column]!;
      const back = roundTrip(spread, dtype === 'q4' ? 4 : 8);
      for (const [column, place] of places.entries()) rounded[at + column] = back[place]!;
    }
    return rounded;
  };
}

/** Where each column of whole heads lands when both rotary halves of a head are padded. */
function paddedPlaces(columns: number, headDim: number): number[] {
  const half = headDim / 2;
  const paddedHalf = paddedHeadDim(headDim) / 2;
  return Array.from({ length: columns }, (_, column) => Math.floor(column / half) * paddedHalf + (column % half));
}

function roundTrip(row: Float32Array, bits: 4 | 8): Float32Array {
  const blocks = blocksIn(row.length);
  const packed = new Uint8Array(blocks * blockBytes(bits));
  const scales = new Uint16Array(blocks);
  quantizeRow(row, bits, packed, scales);
  const back = new Float32Array(row.length);
  dequantizeRow(packed, scales, bits, back);
  return back;
}
