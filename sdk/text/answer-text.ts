/**
 * The text of one answer, token by token: decoding, stop strings, and which token belongs to which text. A token is handed out
 * together with the text it begins, so that log-probabilities travel with their text and none is told of text that a stop
 * string cut away.
 */
import { StopMatcher } from './stop-strings.ts';
import type { TokenStream } from './token-stream.ts';

export interface AnswerPiece<T> {
  text: string;
  /** `offset`: where the token's text begins in the answer, in UTF-16 units. */
  tokens: { offset: number; token: T }[];
  isStopped: boolean;
}

export class AnswerText<T extends { id: number }> {
  readonly #stream: TokenStream;
  readonly #stops: StopMatcher;
  #decoded = 0;
  #shown = 0;
  #waiting: { offset: number; token: T }[] = [];

  constructor(stream: TokenStream, stops: readonly string[]) {
    this.#stream = stream;
    this.#stops = new StopMatcher(stops);
  }

  push(token: T): AnswerPiece<T> {
    this.#waiting.push({ offset: this.#decoded, token });
    return this.#show(this.#stream.push(token.id));
  }

  /** Nothing more comes: the rest of the text, unless its last character completes a stop string. */
  end(): AnswerPiece<T> {
    const last = this.#show(this.#stream.end());
    if (last.isStopped) return last;
    const tokens = [...last.tokens, ...this.#waiting];
    this.#waiting = [];
    return { text: last.text + this.#stops.end(), tokens, isStopped: false };
  }

  #show(decoded: string): AnswerPiece<T> {
    this.#decoded += decoded.length;
    const { text, isStopped } = this.#stops.push(decoded);
    this.#shown += text.length;
    const undecided = this.#waiting.findIndex(({ offset }) => offset >= this.#shown);
    const tokens = this.#waiting.splice(0, undecided < 0 ? this.#waiting.length : undecided);
    if (isStopped) this.#waiting = [];
    return { text, tokens, isStopped };
  }
}
