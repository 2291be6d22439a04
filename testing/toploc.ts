/**
 * TOPLOC (arXiv 2501.16007) as its authors' validation script decides (PrimeIntellect-ai/toploc, vllm_validate_poly.py at 5acfbca: at least 90 of 128
 * equal exponents, mantissa error mean at most 10, median at most 8), written anew to run beside our own rule on the same rows. Its polynomial
 * is replaced by what it does: at an index that the prover committed to it gives the prover's bf16 value, at any other a random one.
 */
import { bf16Bits } from '../shared/models/float16.ts';
import type { RandomNumbers } from './random-numbers.ts';

export const toplocRules = { topK: 128, leastExponents: 90, greatestMean: 10, greatestMedian: 8 };

export interface ToplocResult {
  passes: boolean;
  exponents: number;
  mean: number;
  median: number;
}

/** @param claimed,own up to 32 positions of rows, flattened: the prover's and the verifier's */
export function toplocCheck(claimed: Float32Array, own: Float32Array, random: RandomNumbers): ToplocResult {
  const { topK, leastExponents, greatestMean, greatestMedian } = toplocRules;
  const committed = new Set(topIndexes(claimed, topK));
  let exponents = 0;
  const errors: number[] = [];
  for (const index of topIndexes(own, topK)) {
    const mine = bf16Bits(own[index]!);
    const theirs = committed.has(index) ? bf16Bits(claimed[index]!) : Math.floor(random.uniform() * 65_536);
    if (exponentOf(mine) !== exponentOf(theirs)) continue;
    exponents++;
    errors.push(Math.abs((mine & 0x7f) - (theirs & 0x7f)));
  }
  errors.sort((a, b) => a - b);
  const middle = errors.length >> 1;
  const mean = errors.length === 0 ? 128 : errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const median =
    errors.length === 0 ? 128 : errors.length % 2 === 1 ? errors[middle]! : (errors[middle - 1]! + errors[middle]!) / 2;
  const passes = exponents >= leastExponents && mean <= greatestMean && median <= greatestMedian;
  return { passes, exponents, mean, median };
}

/** The 8 bits of the exponent: bf16's sign is not looked at. */
function exponentOf(bits: number): number {
  return (bits >>> 7) & 0xff;
}

function topIndexes(values: Float32Array, count: number): number[] {
  const indexes = Array.from(values.keys());
  return indexes.sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!)).slice(0, count);
}
