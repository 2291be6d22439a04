/**
 * Top-k and top-p without a sort. Both keep a prefix of the ids in order (value descending, id ascending), and a prefix is known
 * by its last element. One pass puts every id into a bucket by value; the bucket in which the prefix ends is found from the
 * buckets' totals, and only that bucket's values are sorted. Ids are cut by setting their weight to 0.
 */
import { bucketCount, bucketsPerNat, type SamplerScratch } from './sampler-scratch.ts';

/** Keeps the `k` ids of largest value among those with a weight; equal values: the lowest ids. */
export function keepTopK(scratch: SamplerScratch, k: number): void {
  if (k >= scratch.vocab) return;
  const { bucketSize } = scratch;
  fillBuckets(scratch);
  let kept = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const size = bucketSize[bucket]!;
    if (kept + size >= k) {
      cutInBucket(scratch, bucket, (values) => prefixOfCount(values, k - kept));
      return;
    }
    kept += size;
  }
}

/**
 * Keeps the shortest prefix whose probability, among the ids that still have a weight, reaches `p`. The id that reaches it
 * belongs to the prefix, so at least one stays.
 */
export function keepTopP(scratch: SamplerScratch, p: number): void {
  const { bucketMass } = scratch;
  fillBuckets(scratch);
  let total = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) total += bucketMass[bucket]!;
  const target = p * total;
  let mass = 0;
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    const inBucket = bucketMass[bucket]!;
    if (mass + inBucket >= target) {
      cutInBucket(scratch, bucket, (values) => prefixOfMass(values, target - mass));
      return;
    }
    mass += inBucket;
  }
}

/** Where a prefix ends: every value above `value` is in it, and of those equal to it the first `equals` in id order. */
interface PrefixEnd {
  value: number;
  equals: number;
}

function fillBuckets({ values, weights, bucketMass, bucketSize }: SamplerScratch): void {
  bucketMass.fill(0);
  bucketSize.fill(0);
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    if (weight === 0) continue;
    const bucket = bucketOf(values[id]!);
    bucketMass[bucket]! += weight;
    bucketSize[bucket]!++;
  }
}

/** Values are ≤ 0, so deeper values have higher buckets. */
function bucketOf(value: number): number {
  const bucket = -value * bucketsPerNat;
  return bucket < bucketCount - 1 ? bucket | 0 : bucketCount - 1;
}

function cutInBucket(scratch: SamplerScratch, last: number, endOf: (descending: Float64Array) => PrefixEnd): void {
  const { values, weights, bucketSize } = scratch;
  // The bucket's size is what it is for this draw; it is small unless the distribution is flat.
  const members = new Float64Array(bucketSize[last]!);
  let filled = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] !== 0 && bucketOf(values[id]!) === last) members[filled++] = values[id]!;
  }
  const { value: end, equals } = endOf(members.sort().reverse());
  let left = equals;
  for (let id = 0; id < weights.length; id++) {
    const value = values[id]!;
    if (value > end || weights[id] === 0) continue;
    if (value < end || left === 0) weights[id] = 0;
    else left--;
  }
}

function prefixOfCount(descending: Float64Array, count: number): PrefixEnd {
  const value = descending[count - 1]!;
  return { value, equals: count - descending.indexOf(value) };
}

function prefixOfMass(descending: Float64Array, target: number): PrefixEnd {
  let mass = 0;
  let at = 0;
  for (; at < descending.length - 1; at++) {
    mass += Math.exp(descending[at]!);
    if (mass >= target) break;
  }
  return prefixOfCount(descending, at + 1);
}
