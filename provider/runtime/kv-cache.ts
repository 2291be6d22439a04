/** What a KV cache shows the runtime that owns it, and the part that is the same on every backend. */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { OrtTensor } from './ort-module.ts';
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

export abstract class OrtKvCache implements KvCache {
  readonly capacity: number;
  readonly bytes: number;
  #length = 0;
  #isReleased = false;

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
    this.onRelease();
  }

  /** Called after a step of `count` positions succeeded. */
  append(count: number, results: Record<string, OrtTensor>): void {
    this.onAppend(results);
    this.#length += count;
  }

  /** Graph inputs `past.…`. Throws if the memory could not be had. */
  abstract past(): Promise<Record<string, OrtTensor>>;
  /** Graph outputs `present.…`: where they are written, or null where the runtime allocates them. */
  abstract present(): Record<string, OrtTensor | null>;
  protected abstract onAppend(results: Record<string, OrtTensor>): void;
  protected abstract onTruncate(length: number): void;
  protected abstract onRelease(): void;
}
