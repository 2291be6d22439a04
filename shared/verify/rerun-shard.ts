/**
 * The auditor's work: run one shard again from the inputs that its hop committed to, teacher-forced, so that errors do not add up over
 * the route, and take fingerprints of the rows that were drawn. Positions go in by chunks whatever they were in the session: one pass.
 */
import { VesselError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { DrawnRows } from './audit-draw.ts';
import { areInputs, type BatchSummary } from './batch-commitment.ts';
import { rowLeaves, tokenLeaf } from './boundary-row.ts';
import type { Projection } from './fingerprint.ts';

/** A loaded shard: the part of the provider's ShardRuntime that a re-run needs. */
export interface RerunRuntime<Cache extends RerunCache> {
  createCache(capacity: number): Cache;
  step(cache: Cache, input: RerunInput): Promise<{ kind: 'hidden' | 'logits'; values: Float32Array }>;
}
export interface RerunCache {
  release(): void;
}
export type RerunInput =
  /** Of the first shard. */
  | { kind: 'tokens'; ids: Int32Array }
  /** Row-major [positions, width]. */
  | { kind: 'hidden'; values: Float32Array };

/** Throws `wrong_history` unless the inputs, all of them in order, are those that the hop committed to. */
export function requireInputs(batches: readonly BatchSummary[], input: RerunInput, width: number): void {
  const leaves = input.kind === 'tokens' ? Array.from(input.ids, tokenLeaf) : rowLeaves(input.values, width);
  let at = 0;
  for (const batch of batches) {
    if (!areInputs(batch, leaves.slice(at, at + batch.head.count)))
      throw new VesselError('wrong_history', `The inputs of batch ${batch.head.batch} are not those that were committed to.`);
    at += batch.head.count;
  }
  if (at !== leaves.length) throw new VesselError('wrong_history', 'There are more inputs than were committed to.');
}

/**
 * Fingerprints of the drawn rows, in the order drawn. For every shard but the last.
 * @param batches all of the session, in order; `input` holds all their positions
 */
export async function rerunRows<Cache extends RerunCache>(
  runtime: RerunRuntime<Cache>,
  batches: readonly BatchSummary[],
  input: RerunInput,
  opened: readonly DrawnRows[],
  projection: Projection,
): Promise<Float64Array[]> {
  const { width } = projection;
  const starts = startsOf(batches);
  const wanted = opened.flatMap(({ batch, rows }) => rows.map((row) => starts[batch]! + row));
  const end = Math.max(...wanted) + 1;
  const found = new Map<number, Float64Array>();
  await inChunks(runtime, input, width, end, chunkSizes(end), (values, at, count) => {
    for (const position of wanted) {
      if (position < at || position >= at + count) continue;
      const row = values.subarray((position - at) * width, (position - at + 1) * width);
      found.set(position, projection.fingerprint(row));
    }
  });
  return wanted.map((position) => found.get(position)!);
}

/**
 * Logits of every draw of the last shard, [vocab] each. The runtime tells those of a step's last position, so positions after the prompt go in one by one.
 * @param promptLength positions before the first draw, that of the last of them included
 */
export async function rerunLogits<Cache extends RerunCache>(
  runtime: RerunRuntime<Cache>,
  input: RerunInput,
  width: number,
  promptLength: number,
): Promise<Float32Array[]> {
  const positions = input.kind === 'tokens' ? input.ids.length : input.values.length / width;
  const steps = [...chunkSizes(promptLength), ...new Array<number>(positions - promptLength).fill(1)];
  const logits: Float32Array[] = [];
  await inChunks(runtime, input, width, positions, steps, (values, at, count) => {
    if (at + count >= promptLength) logits.push(Float32Array.from(values));
  });
  return logits;
}

async function inChunks<Cache extends RerunCache>(
  runtime: RerunRuntime<Cache>,
  input: RerunInput,
  width: number,
  positions: number,
  steps: readonly number[],
  visit: (values: Float32Array, at: number, count: number) => void,
): Promise<void> {
  const cache = runtime.createCache(positions);
  try {
    let at = 0;
    for (const count of steps) {
      const step: RerunInput =
        input.kind === 'tokens'
          ? { kind: 'tokens', ids: input.ids.slice(at, at + count) }
          : { kind: 'hidden', values: input.values.slice(at * width, (at + count) * width) };
      visit((await runtime.step(cache, step)).values, at, count);
      at += count;
    }
  } finally {
    cache.release();
  }
}

function startsOf(batches: readonly BatchSummary[]): number[] {
  let at = 0;
  return batches.map(({ head }) => {
    at += head.count;
    return at - head.count;
  });
}

function chunkSizes(positions: number): number[] {
  const sizes: number[] = [];
  for (let at = 0; at < positions; at += limits.prefillChunk) sizes.push(Math.min(limits.prefillChunk, positions - at));
  return sizes;
}
