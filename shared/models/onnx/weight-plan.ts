/**
 * Which weights a shard's graph needs and where ONNX Runtime finds them. A tensor whose stored bytes are already what the graph
 * wants may be read straight from its blob; every other one is prepared (expanded, dequantised, computed) into a file of its
 * layer that exists only while the session is created.
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
      in: number;
      out: number;
      layout: 'columns' | 'rows';
    }
  | { kind: 'rotary'; index: number; positions: number; part: 'cos' | 'sin' };

export interface PlannedWeight {
  name: string;
  type: Extract<OnnxType, 'f32' | 'f16' | 'u8'>;
  shape: number[];
  /** The blob's CID if `direct`, else the name of a prepared file. */
  file: string;
  direct: boolean;
  /** Bytes from the start of `file`. */
  offset: number;
  /** Bytes. */
  length: number;
  source: WeightSource;
}

const bytesPerValue = { f32: 4, f16: 2, u8: 1 } as const;
const alignment = 64;

export class WeightPlan {
  readonly weights: PlannedWeight[] = [];
  readonly #architecture: Architecture;
  readonly #direct: boolean;
  readonly #fileEnds = new Map<string, number>();
  readonly #names = new Set<string>();

  constructor(architecture: Architecture, direct: boolean) {
    this.#architecture = architecture;
    this.#direct = direct;
  }

  /** Bytes of each prepared file. */
  get preparedFiles(): ReadonlyMap<string, number> {
    return this.#fileEnds;
  }

  stored(group: string, blob: WeightBlob, tensor: string, type: PlannedWeight['type'], shape?: number[]): string {
    const ref = requireTensor(blob, tensor);
    return this.#add(group, `${group}.${tensor}`, type, shape ?? ref.shape, { kind: 'stored', cid: blob.cid, ref });
  }

  dequantized(
    group: string,
    blob: WeightBlob,
    tensor: string,
    type: PlannedWeight['type'],
    size: LinearSize,
    layout: 'columns' | 'rows',
  ): string {
    const ref = requireTensor(blob, `${tensor}.weight`);
    const scales = requireTensor(blob, `${tensor}.scales`);
    const shape = layout === 'columns' ? [size.in, size.out] : [size.out, size.in];
    const bits = packedBits(ref, size);
    const source: WeightSource = { kind: 'dequantized', cid: blob.cid, ref, scales, bits, ...size, layout };
    return this.#add(group, `${group}.${tensor}.weight`, type, shape, source);
  }

  rotary(index: number, positions: number, part: 'cos' | 'sin', type: PlannedWeight['type']): string {
    const shape = [positions, paddedHeadDim(this.#architecture.headDim) / 2];
    return this.#add('rotary', `rotary.${index}.${part}`, type, shape, { kind: 'rotary', index, positions, part });
  }

  #add(group: string, name: string, type: PlannedWeight['type'], shape: number[], source: WeightSource): string {
    // Tied weights and shared rotary caches are asked for more than once; another shape over the same bytes is another tensor.
    const unique = this.#names.has(name) && this.#shapeDiffers(name, shape) ? `${name}.${shape.length}d` : name;
    if (this.#names.has(unique)) return unique;
    this.#names.add(unique);
    const length = shape.reduce((product, size) => product * size, 1) * bytesPerValue[type];
    const direct = this.#direct && source.kind === 'stored' && source.ref.dtype === type && source.ref.length === length;
    if (direct) {
      this.weights.push({ name: unique, type, shape, file: source.cid, direct, offset: source.ref.offset, length, source });
      return unique;
    }
    const file = `prepared.${group}`;
    const offset = Math.ceil((this.#fileEnds.get(file) ?? 0) / alignment) * alignment;
    this.#fileEnds.set(file, offset + length);
    this.weights.push({ name: unique, type, shape, file, direct, offset, length, source });
    return unique;
  }

  #shapeDiffers(name: string, shape: number[]): boolean {
    const known = this.weights.find((weight) => weight.name === name);
    return known !== undefined && known.shape.join() !== shape.join();
  }
}

export interface LinearSize {
  in: number;
  out: number;
}

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
