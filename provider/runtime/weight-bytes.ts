/** The bytes of one weight, made from the model's blobs as the graph wants them. */
import { decodeBf16, decodeF16, encodeF16 } from '../../shared/models/float16.ts';
import type { LanguageManifest, TensorRef } from '../../shared/models/manifest.ts';
import { rotaryCache } from '../../shared/models/onnx/rotary-cache.ts';
import type { PlannedWeight, WeightSource } from '../../shared/models/onnx/weight-plan.ts';
import { blockBytes, blocksIn, dequantizeRow } from '../../shared/models/quantize.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { BlobReader } from './shard-runtime.ts';

export async function weightBytes(
  { source, type }: PlannedWeight,
  manifest: LanguageManifest,
  blobs: BlobReader,
): Promise<Uint8Array<ArrayBuffer>> {
  switch (source.kind) {
    case 'stored': {
      const bytes = await blobs.read(source.cid, source.ref.offset, source.ref.length);
      return source.ref.dtype === type ? bytes : encode(expand(bytes, source.ref), type);
    }
    case 'dequantized':
      return encode(await dequantize(source, blobs), type);
    case 'rotary': {
      const { rotaries, headDim } = manifest.architecture;
      return encode(rotaryCache(rotaries[source.index]!, headDim, source.positions)[source.part], type);
    }
    default:
      return source satisfies never;
  }
}

function expand(bytes: Uint8Array<ArrayBuffer>, ref: TensorRef): Float32Array<ArrayBuffer> {
  if (ref.dtype === 'f32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const values = new Float32Array(halves.length);
  if (ref.dtype === 'f16') decodeF16(halves, values);
  else if (ref.dtype === 'bf16') decodeBf16(halves, values);
  else throw new VesselError('bad_checkpoint', `A tensor of ${ref.dtype} cannot be read as floats.`);
  return values;
}

async function dequantize(
  source: Extract<WeightSource, { kind: 'dequantized' }>,
  blobs: BlobReader,
): Promise<Float32Array<ArrayBuffer>> {
  const { cid, ref, scales: scalesRef, bits, layout } = source;
  const { in: columns, out: rows } = source.size;
  const packed = await blobs.read(cid, ref.offset, ref.length);
  const scaleBytes = await blobs.read(cid, scalesRef.offset, scalesRef.length);
  const scales = new Uint16Array(scaleBytes.buffer, scaleBytes.byteOffset, scaleBytes.byteLength / 2);
  const blocks = blocksIn(columns);
  const rowBytes = blocks * blockBytes(bits);
  const values = new Float32Array(rows * columns);
  const row = new Float32Array(columns);
  for (let r = 0; r < rows; r++) {
    const into = layout === 'rows' ? values.subarray(r * columns, (r + 1) * columns) : row;
    dequantizeRow(packed.subarray(r * rowBytes, (r + 1) * rowBytes), scales.subarray(r * blocks, (r + 1) * blocks), bits, into);
    if (layout === 'columns') for (let c = 0; c < columns; c++) values[c * rows + r] = row[c]!;
  }
  return values;
}

function encode(values: Float32Array<ArrayBuffer>, type: PlannedWeight['type']): Uint8Array<ArrayBuffer> {
  if (type === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (type === 'u8') throw new VesselError('internal', 'Floats cannot be written as bytes.');
  const halves = new Uint16Array(values.length);
  if (encodeF16(values, halves) >= 0) {
    throw new VesselError('unsupported', 'A weight is too large for f16 arithmetic. Load this model with f32 arithmetic.');
  }
  return new Uint8Array(halves.buffer);
}
