/** Shards of one model in a row, as a route runs them, without any network: hidden rows go from one runtime to the next. */
import type { BlobReader, KvCache, ShardRuntime, ShardSpec, StepResult } from '../provider/runtime/shard-runtime.ts';
import type { LanguageManifest } from '../shared/models/manifest.ts';

export type LoadShard = (shard: ShardSpec, blobs: BlobReader) => Promise<ShardRuntime>;

/** Boundaries that cut `layers` into `parts` ranges as even as can be: [0, …, layers]. */
export function evenCuts(layers: number, parts: number): number[] {
  return Array.from({ length: parts + 1 }, (_, part) => Math.round((part * layers) / parts));
}

export async function loadChain(
  manifest: LanguageManifest,
  blobs: BlobReader,
  cuts: number[],
  load: LoadShard,
): Promise<ShardChain> {
  const runtimes: ShardRuntime[] = [];
  for (let part = 0; part + 1 < cuts.length; part++) {
    runtimes.push(await load({ manifest, from: cuts[part]!, to: cuts[part + 1]! }, blobs));
  }
  return new ShardChain(runtimes);
}

export class ShardChain {
  readonly runtimes: ShardRuntime[];

  constructor(runtimes: ShardRuntime[]) {
    this.runtimes = runtimes;
  }

  open(capacity: number): ChainSession {
    return new ChainSession(
      this.runtimes,
      this.runtimes.map((runtime) => runtime.createCache(capacity)),
    );
  }

  async dispose(): Promise<void> {
    for (const runtime of this.runtimes) await runtime.dispose();
  }
}

export class ChainSession {
  readonly caches: KvCache[];
  /** Rows every hop but the last has put out, joined over the steps. */
  readonly boundaries: number[][];
  readonly #runtimes: ShardRuntime[];

  constructor(runtimes: ShardRuntime[], caches: KvCache[]) {
    this.#runtimes = runtimes;
    this.caches = caches;
    this.boundaries = runtimes.slice(1).map(() => []);
  }

  /** Logits after the last of `ids`. */
  async step(ids: readonly number[]): Promise<Float32Array> {
    let result: StepResult | null = null;
    for (const [hop, runtime] of this.#runtimes.entries()) {
      const cache = this.caches[hop]!;
      result =
        result === null
          ? await runtime.step(cache, { kind: 'tokens', ids: Int32Array.from(ids) })
          : await runtime.step(cache, { kind: 'hidden', values: result.values });
      if (result.kind === 'hidden') for (const value of result.values) this.boundaries[hop]!.push(value);
    }
    return result!.values;
  }

  /** The prompt in chunks, then `n` greedy tokens, ties to the lowest id. */
  async greedy(prompt: readonly number[], n: number, chunk = 64): Promise<number[]> {
    let logits = new Float32Array();
    for (let at = 0; at < prompt.length; at += chunk) logits = Float32Array.from(await this.step(prompt.slice(at, at + chunk)));
    const ids: number[] = [];
    for (;;) {
      const id = argmax(logits);
      ids.push(id);
      if (ids.length === n) return ids;
      logits = Float32Array.from(await this.step([id]));
    }
  }

  truncate(length: number): void {
    for (const cache of this.caches) cache.truncate(length);
  }

  release(): void {
    for (const cache of this.caches) cache.release();
  }
}

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
