/**
 * Turns a shard graph's weight plan into what ONNX Runtime mounts as external data: blobs as they are, or files prepared in
 * memory (floats expanded, packed blocks dequantised, rotary caches computed) that live until the session has been created.
 */
import { decodeBf16, decodeF16, encodeF16 } from '../../shared/models/float16.ts';
import type { LanguageManifest, TensorRef } from '../../shared/models/manifest.ts';
import type { ShardGraph } from '../../shared/models/onnx/build-shard-graph.ts';
import { rotaryCache } from '../../shared/models/onnx/rotary-cache.ts';
import type { PlannedWeight, WeightSource } from '../../shared/models/onnx/weight-plan.ts';
import { blockBytes, blocksIn, dequantizeRow } from '../../shared/models/quantize.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { BlobReader } from './shard-runtime.ts';

export interface MountedFile {
  path: string;
  data: Blob | Uint8Array<ArrayBuffer>;
}

export interface LoadProgress {
  /** Bytes of weights in the form the session holds them. */
  loadedBytes: number;
  totalBytes: number;
}

export interface PrepareOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export async function prepareWeights(
  graph: ShardGraph,
  manifest: LanguageManifest,
  blobs: BlobReader,
  { signal, onProgress }: PrepareOptions = {},
): Promise<MountedFile[]> {
  const files = new Map<string, MountedFile['data']>();
  for (const [path, bytes] of graph.preparedFiles) files.set(path, allocate(bytes));
  const totalBytes = graph.weights.reduce((sum, weight) => sum + weight.length, 0);
  let loadedBytes = 0;
  for (const weight of graph.weights) {
    if (signal?.aborted) throw new VesselError('cancelled', 'Loading the shard was cancelled.', { cause: signal.reason });
    if (weight.direct) {
      if (!files.has(weight.file)) files.set(weight.file, await requireBlob(blobs, weight.file));
    } else {
      const file = files.get(weight.file) as Uint8Array<ArrayBuffer>;
      await fill(file.subarray(weight.offset, weight.offset + weight.length), weight, manifest, blobs);
    }
    loadedBytes += weight.length;
    onProgress?.({ loadedBytes, totalBytes });
  }
  return [...files].map(([path, data]) => ({ path, data }));
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const size = Math.ceil(bytes / 2 ** 20);
    throw new VesselError('out_of_memory', `There is no memory for ${size} MiB of weights. Pledge fewer layers.`, { cause });
  }
}

async function requireBlob(blobs: BlobReader, cid: string): Promise<Blob> {
  const blob = await blobs.blob(cid);
  if (blob === null) throw new VesselError('internal', `Blob ${cid} was file-backed a moment ago and is not any more.`);
  return blob;
}

async function fill(into: Uint8Array<ArrayBuffer>, weight: PlannedWeight, manifest: LanguageManifest, blobs: BlobReader): Promise<void> {
  const { source, type } = weight;
  if (source.kind === 'stored') {
    const bytes = await blobs.read(source.cid, source.ref.offset, source.ref.length);
    if (source.ref.dtype === type) into.set(bytes);
    else writeFloats(expand(bytes, source.ref), type, into);
  } else if (source.kind === 'dequantized') {
    writeFloats(await dequantize(source, blobs), type, into);
  } else if (source.kind === 'rotary') {
    const { rotaries, headDim } = manifest.architecture;
    writeFloats(rotaryCache(rotaries[source.index]!, headDim, source.positions)[source.part], type, into);
  } else source satisfies never;
}

function expand(bytes: Uint8Array<ArrayBuffer>, ref: TensorRef): Float32Array {
  if (ref.dtype === 'f32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const values = new Float32Array(halves.length);
  if (ref.dtype === 'f16') decodeF16(halves, values);
  else if (ref.dtype === 'bf16') decodeBf16(halves, values);
  else throw new VesselError('bad_checkpoint', `A tensor of ${ref.dtype} cannot be read as floats.`);
  return values;
}

async function dequantize(source: Extract<WeightSource, { kind: 'dequantized' }>, blobs: BlobReader): Promise<Float32Array> {
  const { cid, ref, scales: scalesRef, bits, in: columns, out: rows, layout } = source;
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

function writeFloats(values: Float32Array, type: PlannedWeight['type'], into: Uint8Array<ArrayBuffer>): void {
  if (type === 'f32') new Float32Array(into.buffer, into.byteOffset, into.byteLength / 4).set(values);
  else if (type === 'f16') {
    const overflow = encodeF16(values, new Uint16Array(into.buffer, into.byteOffset, into.byteLength / 2));
    if (overflow >= 0) throw new VesselError('unsupported', 'A weight is too large for f16 arithmetic. Use f32.');
  } else throw new VesselError('internal', `Floats cannot be written as ${type}.`);
}
