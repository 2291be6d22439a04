/**
 * How the last hop turns logits into the next token. The order of operations is part of the protocol, because a hop that takes
 * over must draw the same token:
 *
 *   1. logit bias             added; an id named twice gets both
 *   2. repetition penalty     ids in prompt or answer: positive values divided, negative ones multiplied
 *   3. presence, frequency    ids in the answer: presence once, frequency per occurrence, subtracted
 *   4. temperature            0: the highest value so far, ties to the lowest id, nothing random; else values divided by it
 *   5. top-k                  the k highest, ties to the lowest ids
 *   6. top-p                  of what is left, the shortest descending prefix whose share reaches p
 *   7. min-p                  of what is left, probabilities of at least min-p times the highest one
 *   8. draw                   u = uniformDraw(seed, choice, position): walking the ids that are left in ascending order, the
 *                             first one at which their cumulated share exceeds u
 *
 * All in float64 on the f32 logits. Walking by id and not by probability means that two nearly equal tokens which swap ranks on
 * another backend do not swap their share of [0, 1).
 */
import type { TokenLogprob } from '../../shared/protocol/asking.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Sampling } from '../../shared/protocol/sampling.ts';
import { keepTopK, keepTopP } from './cut-tail.ts';
import { rawLogprobs } from './raw-logprobs.ts';
import { SamplerScratch } from './sampler-scratch.ts';
import { TokenHistory } from './token-history.ts';
import { uniformDraw } from './uniform-draw.ts';

export interface SampledToken {
  id: number;
  /** Of the raw model distribution; null if the sampling asks for no logprobs. */
  logprob: number | null;
  top: TokenLogprob[];
}

export interface SamplerOptions {
  vocab: number;
  sampling: Sampling;
  promptIds: Iterable<number>;
  /** Tokens already generated: not empty where a hop takes over in the middle of an answer. */
  answerIds?: Iterable<number>;
  /** Shared between the sessions of a hop. */
  scratch?: SamplerScratch;
}

/**
 * One session's sampler.
 *
 *     const sampler = new Sampler({ vocab: 512, sampling, promptIds });
 *     const { id } = sampler.sample(logits, promptIds.length);
 *     sampler.accept(id);
 */
export class Sampler {
  readonly #sampling: Sampling;
  readonly #history: TokenHistory;
  readonly #scratch: SamplerScratch;

  /** Throws `bad_request` when the history or the bias names an id outside the vocabulary. */
  constructor({ vocab, sampling, promptIds, answerIds = [], scratch = new SamplerScratch(vocab) }: SamplerOptions) {
    if (scratch.vocab !== vocab) throw new VesselError('internal', 'The sampler scratch belongs to another vocabulary.');
    const outside = sampling.logitBias.find(([id]) => id >= vocab);
    if (outside)
      throw new VesselError('bad_request', `Logit bias names token ${outside[0]}; the vocabulary ends at ${vocab - 1}.`);
    this.#sampling = sampling;
    this.#history = new TokenHistory(vocab, promptIds, answerIds);
    this.#scratch = scratch;
  }

  /** Counts a token into the answer. Call it once for every token that the answer takes. */
  accept(id: number): void {
    this.#history.accept(id);
  }

  /**
   * The token for `position` (index in prompt + answer). Changes nothing: the same call gives the same token until `accept`.
   * `logits` [vocab] stays as it is. Throws `bad_output` for NaN, +Infinity or logits that rule out every token.
   */
  sample(logits: Float32Array, position: number): SampledToken {
    const { temperature, topLogprobs } = this.#sampling;
    this.#penalise(logits);
    const best = highest(this.#scratch.values);
    if (this.#scratch.values[best] === -Infinity) throw new VesselError('bad_output', 'The logits rule out every token.');
    const id = temperature === 0 ? best : this.#draw(best, position);
    if (topLogprobs === null) return { id, logprob: null, top: [] };
    return { id, ...rawLogprobs(logits, id, topLogprobs) };
  }

  #penalise(logits: Float32Array): void {
    const { values, vocab } = this.#scratch;
    const { logitBias, repetitionPenalty, presencePenalty, frequencyPenalty } = this.#sampling;
    if (logits.length !== vocab) throw new VesselError('bad_output', `Expected ${vocab} logits and got ${logits.length}.`);
    for (let id = 0; id < vocab; id++) {
      const logit = logits[id]!;
      // False for NaN as well as for +Infinity.
      if (!(logit < Infinity)) throw new VesselError('bad_output', `The logit of token ${id} is ${logit}.`);
      values[id] = logit;
    }
    for (const [id, bias] of logitBias) values[id]! += bias;
    if (repetitionPenalty !== 1) {
      for (const id of this.#history.seen) {
        const value = values[id]!;
        values[id] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty;
      }
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [id, count] of this.#history.answerCounts) values[id]! -= presencePenalty + frequencyPenalty * count;
    }
  }

  #draw(best: number, position: number): number {
    const { values, weights } = this.#scratch;
    const { temperature, topK, topP, minP, seed, choice } = this.#sampling;
    const max = values[best]!;
    for (let id = 0; id < values.length; id++) {
      // Subtracting first keeps 0 at the best id for any temperature, however small.
      const value = (values[id]! - max) / temperature;
      values[id] = value;
      // exp(-746) is 0 in float64; most of a large vocabulary never gets to the call.
      weights[id] = value < -746 ? 0 : Math.exp(value);
    }
    if (topK > 0) keepTopK(this.#scratch, topK);
    if (topP < 1) keepTopP(this.#scratch, topP);
    let total = 0;
    for (let id = 0; id < weights.length; id++) {
      // The best id has weight exp(0) = 1, so min-p is itself the bound.
      if (weights[id]! < minP) weights[id] = 0;
      else total += weights[id]!;
    }
    const target = uniformDraw(seed, choice, position) * total;
    let cumulated = 0;
    for (let id = 0; id < weights.length; id++) {
      cumulated += weights[id]!;
      if (cumulated > target) return id;
    }
    return best;
  }
}

/** Index of the largest value, the lowest one on ties. */
function highest(values: Float64Array): number {
  let best = 0;
  for (let id = 1; id < values.length; id++) if (values[id]! > values[best]!) best = id;
  return best;
}
