/** The tokens of a session that its asker knows, and the running hash at each position (SPEC FR20). */
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';

export class TokenTrack {
  readonly #prompt: number;
  readonly #answer: number[] = [];
  /** Hash of the tokens before each position, from the end of the prompt on; what lies before is hashed when it is asked for. */
  readonly #histories: Uint8Array[];
  readonly #promptIds: readonly number[];

  constructor(promptIds: readonly number[]) {
    this.#promptIds = promptIds;
    this.#prompt = promptIds.length;
    this.#histories = [extendHistory(emptyHistory, promptIds)];
  }

  get answer(): readonly number[] {
    return this.#answer;
  }

  get tokens(): number {
    return this.#answer.length;
  }

  /** Positions whose tokens are known. */
  get end(): { position: number; history: Uint8Array } {
    return { position: this.#prompt + this.#answer.length, history: this.#histories.at(-1)! };
  }

  push(id: number): void {
    this.#answer.push(id);
    this.#histories.push(extendHistory(this.#histories.at(-1)!, [id]));
  }

  historyAt(position: number): Uint8Array {
    if (position < this.#prompt) return extendHistory(emptyHistory, this.#promptIds.slice(0, position));
    return this.#histories[position - this.#prompt] ?? this.#histories.at(-1)!;
  }
}
