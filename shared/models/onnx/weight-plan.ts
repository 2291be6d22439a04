/**
 * Which weights a shard's graph needs, and where in the files mounted beside it ONNX Runtime finds them. The files are imaginary:
 * each tensor's bytes are made from the model's blobs (floats expanded, packed blocks dequantised, rotary caches computed) when
 * the runtime reads that range.
 */
import { VesselError } from '../../protocol/errors.ts';
import type { Architecture } from '../architecture.ts';
import { paddedHeadDim } from '../architecture.ts';
import { quantBlock, type TensorRef, type WeightBlob } from '../manifest.ts';
import type { OnnxType } from './onnx-model.ts';

export type WeightSource =
  /** Stored tensor, perhaps in another float encoding than wanted. */
  | { kind: 'stored'; cid: string; ref: TensorRef }
  /** Packed blocks to be expanded: `columns` gives [in, out], `rows` keeps [out, in]. */
  | {
      kind: 'dequantized';
      cid: string;
      ref: TensorRef;
      scales: TensorRef;
      bits: 4 | 8;
      size: LinearSize;
      layout: 'columns' | 'rows';
    }
  | { kind: 'rotary'; index: number; positions: number; part: 'cos' | 'sin' };

export interface LinearSize {
  in: number;
  out: number;
}

export interface PlannedWeight {
  name: string;
  type: Extract<OnnxType, 'f32' | 'f16' | 'u8'>;
  shape: number[];
  file: string;
  /** Bytes from the start of `file`. */
  offset: number;
  /** Bytes. */
  length: number;
  source: WeightSource;
}

const bytesPerValue = { f32: 4, f16: 2, u8: 1 } as const;
const alignment = 64;

export class WeightPlan {
  readonly #architecture: Architecture;
  readonly #weights = new Map<string, PlannedWeight>();
  /** One file per layer, embedding, head and rotary caches: none grows beyond what a browser can hold in one piece. */
  readonly #fileEnds = new Map<string, number>();

  constructor(architecture: Architecture) {
    this.#architecture = architecture;
  }

  get weights(): PlannedWeight[] {
    return [...this.#weights.values()];
  }

  /** Returns the name of the initializer, as the others do. */
  stored(group: string, blob: WeightBlob, tensor: string, type: PlannedWeight['type'], shape: number[]): string {
    const ref = requireTensor(blob, tensor);
    const values = ref.dtype === 'u8' ? ref.length : ref.length / bytesPerStored[ref.dtype];
    const expected = shape.reduce((product, size) => product * size, 1);
    if (values !== expected || (ref.dtype === 'u8') !== (type === 'u8')) {
      throw new VesselError(
        'bad_checkpoint',
        `Tensor "${tensor}" of blob ${blob.cid} holds ${values} ${ref.dtype}, not [${shape}] ${type}.`,
      );
    }
    return this.#add(group, `${group}.${tensor}`, type, shape, { kind: 'stored', cid: blob.cid, ref });
  }

  dequantized(
    group: string,
    blob: WeightBlob,
    linear: string,
    type: PlannedWeight['type'],
    size: LinearSize,
    layout: 'columns' | 'rows',
  ): string {
    const ref = requireTensor(blob, `${linear}.weight`);
    const scales = requireTensor(blob, `${linear}.scales`);
    const shape = layout === 'columns' ? [size.in, size.out] : [size.out, size.in];
    const source: WeightSource = { kind: 'dequantized', cid: blob.cid, ref, scales, bits: packedBits(ref, size), size, layout };
    return this.#add(group, `${group}.${linear}.weight`, type, shape, source);
  }

  rotary(index: number, positions: number, part: 'cos' | 'sin', type: PlannedWeight['type']): string {
    const shape = [positions, paddedHeadDim(this.#architecture.headDim) / 2];
    return this.#add('rotary', `rotary.${index}.${part}`, type, shape, { kind: 'rotary', index, positions, part });
  }

  /** A weight asked for twice (tied embedding, shared rotary cache) is one; the same bytes in another shape are another. */
  #add(file: string, wanted: string, type: PlannedWeight['type'], shape: number[], source: WeightSource): string {
    const known = this.#weights.get(wanted);
    const name = known && known.shape.join() !== shape.join() ? `${wanted}.${shape.length}d` : wanted;
    if (this.#weights.has(name)) return name;
    const length = shape.reduce((product, size) => product * size, 1) * bytesPerValue[type];
    const offset = Math.ceil((this.#fileEnds.get(file) ?? 0) / alignment) * alignment;
    this.#fileEnds.set(file, offset + length);
    this.#weights.set(name, { name, type, shape, file, offset, length, source });
    return name;
  }
}

const bytesPerStored = { f32: 4, f16: 2, bf16: 2 } as const;

export function requireTensor(blob: WeightBlob, name: string): TensorRef {
  const ref = blob.tensors[name];
  if (ref === undefined) throw new VesselError('bad_checkpoint', `The manifest's blob ${blob.cid} has no tensor "${name}".`);
  return ref;
}

/** 4 or 8, read from the size of a packed tensor. */
export function packedBits(ref: TensorRef, size: LinearSize): 4 | 8 {
  const blocks = size.out * Math.ceil(size.in / quantBlock);
  const bits = (ref.length * 8) / (blocks * quantBlock);
  if (bits !== 4 && bits !== 8) {
    throw new VesselError('bad_checkpoint', `A packed tensor of ${ref.length} bytes does not fit [${size.out}, ${size.in}].`);
  }
  return bits;
}
