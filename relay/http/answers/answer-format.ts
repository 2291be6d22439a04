import type { FinishReason, PlacedToken } from './run-answer.ts';

/** How one kind of completion writes answers: whole, or in pieces. Everything else about a response is the same for all. */
export interface AnswerFormat {
  idPrefix: string;
  /** `object` of a whole response and of a streamed piece. */
  wholeObject: string;
  pieceObject: string;
  /** The whole answer as an entry of `choices`. */
  whole(index: number, answer: { text: string; tokens: PlacedToken[]; reason: FinishReason }): object;
  /** The pieces of a streamed answer; `open` may have nothing to say. */
  open(index: number): object | null;
  text(index: number, text: string, tokens: PlacedToken[]): object;
  end(index: number, reason: FinishReason): object;
}
