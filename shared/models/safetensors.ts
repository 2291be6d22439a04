/**
 * The header of a safetensors file: 8 bytes of header length (u64, little-endian), a JSON object from tensor name to dtype, shape and
 * byte range, then the tensors' bytes, which must cover the rest of the file exactly: no overlap, no hole, nothing left over.
 * A truncated download therefore shows in the header alone.
 */
import { z } from 'zod';
import { VesselError } from '../protocol/errors.ts';
import type { CheckpointSource } from './checkpoint-source.ts';

/** The format's own bound: a header is names and numbers. */
export const maxHeaderBytes = 100_000_000;

const dtypeBytes: Record<string, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  C64: 8,
};

/** Where one tensor lies. */
export interface TensorLocation {
  file: string;
  /** As the header spells it, e.g. "BF16". */
  dtype: string;
  shape: number[];
  /** Bytes from the start of the file. */
  offset: number;
  /** Bytes. */
  length: number;
}

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({ dtype: z.string(), shape: z.array(size).max(8), data_offsets: z.tuple([size, size]) });

/** Reads and checks the header of `file`. Throws `bad_checkpoint` with the reason. */
export async function readSafetensorsHeader(source: CheckpointSource, file: string): Promise<Map<string, TensorLocation>> {
  const fileBytes = await source.size(file);
  if (fileBytes < 8) throw refuse(file, `it has ${fileBytes} bytes and is not a safetensors file. Download it again.`);
  const prefix = await source.read(file, 0, 8);
  const headerBytes = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes) throw refuse(file, 'its first 8 bytes are not the length of a safetensors header.');
  if (8 + headerBytes > fileBytes) throw refuse(file, 'it ends inside its header: the file is cut off. Download it again.');

  const locations = new Map<string, TensorLocation>();
  const start = 8 + headerBytes;
  for (const [name, raw] of Object.entries(parseHeader(await source.read(file, 8, headerBytes), file))) {
    if (name === '__metadata__') continue;
    const entry = entrySchema.safeParse(raw);
    if (!entry.success) throw refuse(file, `its header entry for ${name} is malformed.`);
    const { dtype, shape, data_offsets: range } = entry.data;
    const itemBytes = dtypeBytes[dtype];
    if (!itemBytes) throw refuse(file, `tensor ${name} has the unknown dtype ${dtype}.`);
    const length = shape.reduce((product, n) => product * n, itemBytes);
    if (range[1] - range[0] !== length) {
      throw refuse(
        file,
        `tensor ${name} of ${dtype} [${shape.join(', ')}] needs ${length} bytes, its range has ${range[1] - range[0]}.`,
      );
    }
    locations.set(name, { file, dtype, shape, offset: start + range[0], length });
  }
  checkCover(file, locations, start, fileBytes);
  return locations;
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return { ...header };
  } catch (cause) {
    throw refuse(file, 'its header is not JSON.', cause);
  }
  throw refuse(file, 'its header is not a JSON object.');
}

/** Sorted by offset, the tensors must tile the data section. A name given twice leaves a hole, so it shows here too. */
function checkCover(file: string, locations: Map<string, TensorLocation>, start: number, fileBytes: number): void {
  let end = start;
  const sorted = [...locations].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  for (const [name, { offset, length }] of sorted) {
    if (offset < end) throw refuse(file, `tensor ${name} overlaps another one.`);
    if (offset > end) throw refuse(file, `there are bytes before tensor ${name} that belong to no tensor.`);
    end = offset + length;
    if (end > fileBytes) {
      throw refuse(file, `tensor ${name} ends beyond the end of the file: the file is cut off. Download it again.`);
    }
  }
  if (end < fileBytes) throw refuse(file, `${fileBytes - end} bytes at its end belong to no tensor.`);
}

function refuse(file: string, reason: string, cause?: unknown): VesselError {
  return new VesselError('bad_checkpoint', `${file} cannot be used: ${reason}`, cause === undefined ? {} : { cause });
}
