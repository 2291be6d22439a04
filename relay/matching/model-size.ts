import { matchingLimits } from './matching-limits.ts';

/** What matching needs to know of a model. Sizes in bytes, as they lie in the provider's memory. */
export interface PlacedModel {
  id: string;
  layers: number;
  /** One per layer. */
  layerBytes: readonly number[];
  /** Held with layer 0, and with the last layer too if the head is tied to it. */
  embeddingBytes: number;
  headBytes: number;
  tiedEmbedding: boolean;
  kvBytesPerTokenPerLayer: number;
  /** Longest sequence in tokens. */
  context: number;
  /** How much the model is wanted, relative to the others. 0: nobody needs to hold it. */
  demand: number;
}

/** Answers "what fits where" for one model in O(log layers). */
export class ModelSize {
  readonly model: PlacedModel;
  /** Whether all layers take the same room: then the order of providers in a chain matters at its ends only. */
  readonly isUniform: boolean;
  /** before[i]: bytes of layers [0, i), KV reserve included. */
  readonly #before: number[] = [0];

  constructor(model: PlacedModel) {
    this.model = model;
    const kvBytes = model.kvBytesPerTokenPerLayer * Math.min(model.context, matchingLimits.reservedTokens);
    for (let layer = 0; layer < model.layers; layer++) {
      this.#before.push(this.#before[layer]! + (model.layerBytes[layer] ?? 0) + kvBytes);
    }
    this.isUniform = model.layerBytes.every((bytes) => bytes === model.layerBytes[0]);
  }

  /** Memory that layers [from, to) take with everything that belongs to them and room for one session. */
  shardBytes(from: number, to: number): number {
    const { layers, embeddingBytes, headBytes, tiedEmbedding } = this.model;
    const isLast = to === layers;
    const needsEmbedding = from === 0 || (isLast && tiedEmbedding);
    return this.#before[to]! - this.#before[from]! + (needsEmbedding ? embeddingBytes : 0) + (isLast ? headBytes : 0);
  }

  /** The largest end ≤ `limit` such that [from, end) fits; `from` if not even one layer does. */
  furthestEnd(from: number, limit: number, memoryBytes: number): number {
    let low = from;
    let high = limit;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.shardBytes(from, middle) <= memoryBytes) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The smallest start ≥ `limit` such that [start, to) fits; `to` if not even one layer does. */
  nearestStart(to: number, limit: number, memoryBytes: number): number {
    let low = limit;
    let high = to;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.shardBytes(middle, to) <= memoryBytes) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** How many layers of a uniform model fit, away from both ends. */
  innerLayers(memoryBytes: number): number {
    const oneLayer = this.#before[1]! - this.#before[0]!;
    return oneLayer <= 0 ? this.model.layers : Math.floor(memoryBytes / oneLayer);
  }
}
