/** Dtypes and offsets of the tensors in one blob, from the numeric class of the model and the encodings of the checkpoint. */
import { VesselError } from '../protocol/errors.ts';
import type { ModelDtype, TensorDtype, TensorRef } from './manifest.ts';
import { blockBytes, blocksIn } from './quantize.ts';
import type { WeightSpec } from './weights.ts';

/** GPU buffers and typed arrays want aligned starts; 64 is a cache line. */
const alignment = 64;
/** Longer byte strings than 2 GiB - 1 are more than some browsers and 32-bit wasm can hold in one piece. */
export const maxBlobBytes = 2 ** 31 - 1;

/** The encodings a checkpoint's weights may have. */
export const weightEncodings = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const;
export type WeightEncoding = keyof typeof weightEncodings;

export interface PlacedWeight {
  spec: WeightSpec;
  encoding: WeightEncoding;
  weight: TensorRef;
  /** Of q4 and q8. */
  scales: TensorRef | null;
}

export interface BlobLayout {
  weights: PlacedWeight[];
  tensors: Record<string, TensorRef>;
  bytes: number;
}

/** `what` names the blob in an error, e.g. "layer 3". Throws `bad_checkpoint` if the blob would be too large. */
export function layOutBlob(
  what: string,
  dtype: ModelDtype,
  specs: { spec: WeightSpec; encoding: WeightEncoding }[],
  limit = maxBlobBytes,
): BlobLayout {
  const tensors: Record<string, TensorRef> = {};
  let end = 0;
  const place = (name: string, itemDtype: TensorDtype, shape: number[]): TensorRef => {
    const offset = Math.ceil(end / alignment) * alignment;
    const length = shape.reduce((product, n) => product * n, itemBytes[itemDtype]);
    end = offset + length;
    const ref = { dtype: itemDtype, shape, offset, length };
    tensors[name] = ref;
    return ref;
  };

  const weights = specs.map(({ spec, encoding }): PlacedWeight => {
    const { form, paddedRows, paddedColumns } = spec;
    if (form === 'vector') return { spec, encoding, weight: place(spec.name, 'f32', [paddedColumns]), scales: null };
    if (dtype === 'q4' || dtype === 'q8') {
      const blocks = blocksIn(paddedColumns);
      const weight = place(spec.name, 'u8', [paddedRows, blocks, blockBytes(dtype === 'q4' ? 4 : 8)]);
      const scales = place(spec.name.replace(/\.weight$/, '.scales'), 'f16', [paddedRows, blocks]);
      return { spec, encoding, weight, scales };
    }
    const shape = form === 'linear' ? [paddedColumns, paddedRows] : [paddedRows, paddedColumns];
    return { spec, encoding, weight: place(spec.name, dtype === 'f16' ? 'f16' : weightEncodings[encoding], shape), scales: null };
  });
  if (end > limit) {
    throw new VesselError(
      'bad_checkpoint',
      `The ${what} of this model takes ${end} bytes as ${dtype}; one piece may have ${limit} at most. Try --dtype q8 or q4.`,
    );
  }
  return { weights, tensors, bytes: end };
}

const itemBytes: Record<TensorDtype, number> = { f32: 4, f16: 2, bf16: 2, u8: 1 };
