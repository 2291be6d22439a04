/** What a KV cache shows the runtime that owns it, and the part that is the same wherever the cache lives. */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { OrtModule, OrtSession, OrtTensor } from './ort-module.ts';
import type { KvCache } from './shard-runtime.ts';

/** Names, counts and sizes of the KV tensors of one shard. */
export interface KvLayout {
  from: number;
  to: number;
  kvHeads: number;
  paddedHeadDim: number;
  type: 'float32' | 'float16';
}

/** Bytes of one K or V tensor of one layer. */
export function kvTensorBytes(layout: KvLayout, capacity: number): number {
  return layout.kvHeads * capacity * layout.paddedHeadDim * (layout.type === 'float32' ? 4 : 2);
}

/** `<layer>.k` and `<layer>.v` for every layer of the shard; the graph has inputs `past.…` and outputs `present.…`. */
export function kvNames(layout: KvLayout): string[] {
  const names: string[] = [];
  for (let layer = layout.from; layer < layout.to; layer++) names.push(`${layer}.k`, `${layer}.v`);
  return names;
}

/** Graph inputs of one step beside the cache, by name. */
export type StepInputs = Record<
  string,
  | { type: 'float32'; data: Float32Array; dims: number[] }
  | { type: 'int32'; data: Int32Array; dims: number[] }
  | { type: 'int64'; data: BigInt64Array; dims: number[] }
>;

export function inputTensors(ort: OrtModule, inputs: StepInputs): Record<string, OrtTensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
  );
}

export abstract class OrtKvCache implements KvCache {
  readonly capacity: number;
  readonly bytes: number;
  #length = 0;
  #isReleased = false;
  #isRunning = false;

  constructor(layout: KvLayout, capacity: number) {
    this.capacity = capacity;
    this.bytes = kvNames(layout).length * kvTensorBytes(layout, capacity);
  }

  get length(): number {
    return this.#length;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new VesselError('wrong_position', `A cache of ${this.#length} positions cannot be cut to ${length}.`);
    }
    this.onTruncate(length);
    this.#length = length;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#length = 0;
    if (!this.#isRunning) this.onRelease();
  }

  /**
   * Runs one step on top of the positions held and returns the f32 graph output `output`. A cache released meanwhile keeps its
   * memory until the run is over.
   */
  async run(session: OrtSession, inputs: StepInputs, output: string): Promise<Float32Array> {
    this.#isRunning = true;
    try {
      return await this.onRun(session, inputs, output);
    } finally {
      this.#isRunning = false;
      if (this.#isReleased) this.onRelease();
    }
  }

  /** Counts the positions of the run before this, which then belong to the cache. */
  append(count: number): void {
    this.onAppend();
    this.#length += count;
  }

  protected abstract onRun(session: OrtSession, inputs: StepInputs, output: string): Promise<Float32Array>;
  protected abstract onAppend(): void;
  protected abstract onTruncate(length: number): void;
  protected abstract onRelease(): void;
}
