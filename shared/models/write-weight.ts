/**
 * Moves one tensor from a checkpoint into its blob: checks that it is finite, then transposes, pads, re-encodes or quantizes it.
 * The tensor is read in pieces of some rows, so that beside the blob only a few MiB are held.
 */
import { VesselError } from '../protocol/errors.ts';
import type { PlacedWeight, WeightEncoding } from './blob-layout.ts';
import type { CheckpointSource } from './checkpoint-source.ts';
import { decodeBf16, decodeF16, encodeF16 } from './float16.ts';
import { blockBytes, blocksIn, quantizeRow } from './quantize.ts';
import type { TensorLocation } from './safetensors.ts';

/** Large enough that reads are few, small enough for a phone. */
const pieceBytes = 8 << 20;
/** Side of the squares a transpose works in: 64 rows of 64 halves or floats stay in the first-level cache. */
const tile = 64;

type Words = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** `onRead` hears the bytes of each piece. Throws `bad_checkpoint` naming the tensor. */
export async function writeWeight(
  source: CheckpointSource,
  location: TensorLocation,
  placed: PlacedWeight,
  blob: Uint8Array<ArrayBuffer>,
  onRead: (bytes: number) => void,
): Promise<void> {
  const { spec, encoding } = placed;
  const rowBytes = location.length / spec.rows;
  const rowsAtOnce = Math.max(1, Math.floor(pieceBytes / rowBytes));
  for (let first = 0; first < spec.rows; first += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, spec.rows - first);
    const offset = location.offset + first * rowBytes;
    const bytes = await source.read(location.file, offset, rows * rowBytes);
    if (bytes.length !== rows * rowBytes) {
      throw new VesselError('bad_checkpoint', `${location.file} became shorter while it was read. Download it again.`);
    }
    const words = wordsOf(bytes, encoding);
    requireFinite(words, encoding, spec.from);
    writeRows(placed, words, first, rows, blob);
    onRead(bytes.length);
  }
}

function writeRows(placed: PlacedWeight, words: Words, first: number, rows: number, blob: Uint8Array<ArrayBuffer>): void {
  const { spec, encoding, weight } = placed;
  if (spec.form === 'vector') {
    writeVector(placed, floatsOf(words, encoding), blob);
  } else if (placed.scales) {
    writeQuantized(placed, floatsOf(words, encoding), first, rows, blob);
  } else {
    const kept = weight.dtype === 'f16' && encoding !== 'F16' ? halvesOf(words, encoding, spec.from) : words;
    const Kind = kept instanceof Uint16Array ? Uint16Array : Uint32Array;
    const target = new Kind(blob.buffer, blob.byteOffset + weight.offset, weight.length / kept.BYTES_PER_ELEMENT);
    if (spec.form === 'table') target.set(kept, first * spec.columns);
    else transpose(placed, kept, first, rows, target);
  }
}

function writeVector({ spec, weight }: PlacedWeight, floats: Float32Array, blob: Uint8Array<ArrayBuffer>): void {
  const target = new Float32Array(blob.buffer, blob.byteOffset + weight.offset, spec.paddedColumns);
  for (let i = 0; i < floats.length; i++) target[spec.columnPlaces?.[i] ?? i] = (floats[i]! + spec.add) * spec.multiply;
}

function transpose({ spec }: PlacedWeight, from: Words, first: number, rows: number, into: Words): void {
  const { columns, paddedRows } = spec;
  const rowPlaces = spec.rowPlaces ?? identity(spec.rows);
  const columnPlaces = spec.columnPlaces ?? identity(columns);
  for (let row0 = 0; row0 < rows; row0 += tile) {
    const rowEnd = Math.min(row0 + tile, rows);
    for (let column0 = 0; column0 < columns; column0 += tile) {
      const columnEnd = Math.min(column0 + tile, columns);
      for (let column = column0; column < columnEnd; column++) {
        const start = columnPlaces[column]! * paddedRows;
        for (let row = row0; row < rowEnd; row++) into[start + rowPlaces[first + row]!] = from[row * columns + column]!;
      }
    }
  }
}

function writeQuantized(
  { spec, weight, scales }: PlacedWeight,
  floats: Float32Array,
  first: number,
  rows: number,
  blob: Uint8Array<ArrayBuffer>,
): void {
  const blocks = blocksIn(spec.paddedColumns);
  const bits = weight.shape[2] === blockBytes(4) ? 4 : 8;
  const packedRow = blocks * blockBytes(bits);
  const packed = new Uint8Array(blob.buffer, blob.byteOffset + weight.offset, weight.length);
  const allScales = new Uint16Array(blob.buffer, blob.byteOffset + scales!.offset, spec.paddedRows * blocks);
  // Rows of padding keep scale 0; their weights are the zero point like every other zero.
  if (first === 0 && spec.rowPlaces) packed.fill(bits === 8 ? 128 : 0x88);
  const padded = new Float32Array(spec.paddedColumns);
  for (let row = 0; row < rows; row++) {
    let values = floats.subarray(row * spec.columns, (row + 1) * spec.columns);
    if (spec.columnPlaces) {
      for (let i = 0; i < values.length; i++) padded[spec.columnPlaces[i]!] = values[i]!;
      values = padded;
    }
    const place = spec.rowPlaces?.[first + row] ?? first + row;
    const rowScales = allScales.subarray(place * blocks, (place + 1) * blocks);
    if (!quantizeRow(values, bits, packed.subarray(place * packedRow, (place + 1) * packedRow), rowScales)) {
      throw new VesselError('bad_checkpoint', `${spec.from} has weights too large to be quantized. Try --dtype f32.`);
    }
  }
}

/** The bytes as whole words, copied if they do not start at one. */
function wordsOf(bytes: Uint8Array<ArrayBuffer>, encoding: WeightEncoding): Words {
  const Kind = encoding === 'F32' ? Uint32Array : Uint16Array;
  const aligned = bytes.byteOffset % Kind.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Kind(aligned.buffer, aligned.byteOffset, aligned.length / Kind.BYTES_PER_ELEMENT);
}

/** Infinities and NaN are what a broken download, a failed training run or a wrong dtype look like. */
function requireFinite(words: Words, encoding: WeightEncoding, name: string): void {
  const exponent = encoding === 'F32' ? 0x7f800000 : encoding === 'F16' ? 0x7c00 : 0x7f80;
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & exponent) === exponent) {
      throw new VesselError('bad_checkpoint', `${name} holds NaN or infinity: the checkpoint is damaged.`);
    }
  }
}

function floatsOf(words: Words, encoding: WeightEncoding): Float32Array {
  if (words instanceof Uint32Array) return new Float32Array(words.buffer, words.byteOffset, words.length);
  const floats = new Float32Array(words.length);
  if (encoding === 'F16') decodeF16(words, floats);
  else decodeBf16(words, floats);
  return floats;
}

function halvesOf(words: Words, encoding: WeightEncoding, name: string): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(words.length);
  const floats = floatsOf(words, encoding);
  const overflow = encodeF16(floats, halves);
  if (overflow >= 0) {
    throw new VesselError(
      'bad_checkpoint',
      `${name} holds ${floats[overflow]}, beyond the range of f16 (65504). Use --dtype f32, q8 or q4.`,
    );
  }
  return halves;
}

function identity(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}
