/** Buckets of `cut-tail.ts`: 64 per nat over 64 nats. What lies deeper has a weight below 1e-27 and shares the last one. */
export const bucketsPerNat = 64;
export const bucketCount = 4096;

/**
 * The vocabulary-sized arrays of sampling (16 bytes per token id, 4 MiB at 262,144). Draws are synchronous, so all sessions of
 * a last hop share one scratch; nothing in it outlives a draw.
 */
export class SamplerScratch {
  readonly vocab: number;
  /** [vocab] penalised logits, then scaled by the temperature with the largest at 0. */
  readonly values: Float64Array;
  /** [vocab] unnormalised probabilities of the kept ids, 0 for the others. */
  readonly weights: Float64Array;
  readonly bucketMass = new Float64Array(bucketCount);
  readonly bucketSize = new Uint32Array(bucketCount);

  constructor(vocab: number) {
    this.vocab = vocab;
    this.values = new Float64Array(vocab);
    this.weights = new Float64Array(vocab);
  }
}
