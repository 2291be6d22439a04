import type { TokenLogprob } from '../../shared/protocol/asking.ts';

/**
 * Natural logarithms of the model's own distribution (temperature 1, before bias and penalties), in float64.
 * `top` holds the `count` most probable ids, best first, ties to the lowest id.
 */
export function rawLogprobs(logits: Float32Array, drawnId: number, count: number): { logprob: number; top: TokenLogprob[] } {
  let max = -Infinity;
  for (let id = 0; id < logits.length; id++) if (logits[id]! > max) max = logits[id]!;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id]! - max);
  const normalizer = max + Math.log(sum);
  const top = topIds(logits, count).map((id) => ({ id, logprob: logits[id]! - normalizer }));
  return { logprob: logits[drawnId]! - normalizer, top };
}

/** Insertion into a short sorted list: `count` is at most limits.maxTopLogprobs. */
function topIds(logits: Float32Array, count: number): number[] {
  if (count === 0) return [];
  const ids: number[] = [];
  let threshold = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id]!;
    if (ids.length === count && value <= threshold) continue;
    let at = ids.length;
    while (at > 0 && logits[ids[at - 1]!]! < value) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
    threshold = logits[ids[ids.length - 1]!]!;
  }
  return ids;
}
