import { VesselError } from '../../shared/protocol/errors.ts';

/** Which ids prompt and answer hold, counted as they come, so that a draw never reads the history again. */
export class TokenHistory {
  /** Ids in prompt or answer. */
  readonly seen = new Set<number>();
  /** Answer ids with how often each occurred. */
  readonly answerCounts = new Map<number, number>();
  readonly #vocab: number;

  /** Throws `bad_request` for an id outside the vocabulary. */
  constructor(vocab: number, promptIds: Iterable<number>, answerIds: Iterable<number>) {
    this.#vocab = vocab;
    for (const id of promptIds) this.seen.add(this.#requireId(id));
    for (const id of answerIds) this.accept(id);
  }

  accept(id: number): void {
    this.seen.add(this.#requireId(id));
    this.answerCounts.set(id, (this.answerCounts.get(id) ?? 0) + 1);
  }

  #requireId(id: number): number {
    if (Number.isInteger(id) && id >= 0 && id < this.#vocab) return id;
    throw new VesselError('bad_request', `Token id ${id} is outside the model's vocabulary of ${this.#vocab}.`);
  }
}
