/** A runtime whose long steps go to another one in pieces: for devices on which the kernel for many positions at once is wrong. */
import type { Backend, KvCache, ShardRuntime, ShardSpec, StepInput, StepResult } from './shard-runtime.ts';

export class ShortStepRuntime implements ShardRuntime {
  readonly shard: ShardSpec;
  readonly backend: Backend;
  readonly adapter: string;
  readonly arithmetic: 'f32' | 'f16';
  readonly context: number;
  readonly #inner: ShardRuntime;
  readonly #longest: number;

  /** `longest` is how many positions `inner` may be given at once. */
  constructor(inner: ShardRuntime, longest: number) {
    this.shard = inner.shard;
    this.backend = inner.backend;
    this.adapter = inner.adapter;
    this.arithmetic = inner.arithmetic;
    this.context = inner.context;
    this.#inner = inner;
    this.#longest = longest;
  }

  cacheBytes(capacity: number): number {
    return this.#inner.cacheBytes(capacity);
  }

  createCache(capacity: number): KvCache {
    return this.#inner.createCache(capacity);
  }

  async step(cache: KvCache, input: StepInput): Promise<StepResult> {
    const pieces = this.#pieces(input);
    // One piece, or something that only the runtime knows how to refuse.
    if (pieces.length < 2 || cache.length + this.#count(input) > cache.capacity) return this.#inner.step(cache, input);
    const before = cache.length;
    try {
      const results: StepResult[] = [];
      for (const piece of pieces) results.push(await this.#inner.step(cache, piece));
      return joined(results);
    } catch (thrown) {
      // A step appends all of its positions or none. A released cache has no length to mend.
      if (cache.length > before) cache.truncate(before);
      throw thrown;
    }
  }

  dispose(): Promise<void> {
    return this.#inner.dispose();
  }

  #count(input: StepInput): number {
    return input.kind === 'tokens' ? input.ids.length : input.values.length / this.shard.manifest.architecture.hidden;
  }

  #pieces(input: StepInput): StepInput[] {
    const { hidden } = this.shard.manifest.architecture;
    const pieces: StepInput[] = [];
    for (let at = 0; at < this.#count(input); at += this.#longest) {
      const to = at + this.#longest;
      pieces.push(
        input.kind === 'tokens'
          ? { kind: 'tokens', ids: input.ids.slice(at, to) }
          : { kind: 'hidden', values: input.values.slice(at * hidden, to * hidden) },
      );
    }
    return pieces;
  }
}

function joined(results: StepResult[]): StepResult {
  const last = results.at(-1)!;
  if (last.kind === 'logits') return last;
  const values = new Float32Array(results.reduce((sum, result) => sum + result.values.length, 0));
  let at = 0;
  for (const result of results) {
    values.set(result.values, at);
    at += result.values.length;
  }
  return { kind: 'hidden', values };
}
