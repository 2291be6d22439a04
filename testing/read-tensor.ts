import type { BlobReader } from '../provider/runtime/shard-runtime.ts';
import { decodeBf16, decodeF16 } from '../shared/models/float16.ts';
import type { WeightBlob } from '../shared/models/manifest.ts';
import { dequantizeRow } from '../shared/models/quantize.ts';

/**
 * The values of one tensor of a blob as floats, in the order they are stored. Quantized ones are unpacked: [out, in], `columns` of
 * each row (their true count, which the packing rounds up to blocks).
 */
export async function readTensor(blobs: BlobReader, blob: WeightBlob, name: string, columns?: number): Promise<Float32Array> {
  const ref = blob.tensors[name];
  if (!ref) throw new Error(`No tensor ${name}`);
  const bytes = await blobs.read(blob.cid, ref.offset, ref.length);
  if (ref.dtype === 'f32') return new Float32Array(bytes.buffer);
  if (ref.dtype !== 'u8') {
    const values = new Float32Array(bytes.length / 2);
    (ref.dtype === 'f16' ? decodeF16 : decodeBf16)(new Uint16Array(bytes.buffer), values);
    return values;
  }
  const [rows, blocks, blockBytes] = ref.shape as [number, number, number];
  const scalesRef = blob.tensors[name.replace(/\.weight$/, '.scales')]!;
  const scales = new Uint16Array((await blobs.read(blob.cid, scalesRef.offset, scalesRef.length)).buffer);
  const width = columns ?? blocks * 32;
  const values = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    dequantizeRow(
      bytes.subarray(row * blocks * blockBytes, (row + 1) * blocks * blockBytes),
      scales.subarray(row * blocks, (row + 1) * blocks),
      blockBytes === 16 ? 4 : 8,
      values.subarray(row * width, (row + 1) * width),
    );
  }
  return values;
}
