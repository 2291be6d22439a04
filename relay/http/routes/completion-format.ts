/** The wire shapes of plain completions. */
import { z } from 'zod';
import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import type { AnswerFormat } from '../answers/answer-format.ts';
import { usageSchema, vesselReportSchema } from '../answers/answer-outcome.ts';
import { finite } from '../answers/finite.ts';
import type { PlacedToken } from '../answers/run-answer.ts';

const logprobsSchema = z.strictObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  /** Null when `logprobs` was 0. */
  top_logprobs: z.array(z.record(z.string(), z.number())).nullable(),
  /** Where each token begins in the answer's text, in UTF-16 units. */
  text_offset: z.array(z.number().int()),
});
const finishSchema = z.enum(['stop', 'length']);
const choice = { index: z.number().int(), text: z.string(), logprobs: logprobsSchema.nullable() };
const choiceSchema = z.strictObject({ ...choice, finish_reason: finishSchema });
const pieceSchema = z.strictObject({ ...choice, finish_reason: finishSchema.nullable() });
const frame = {
  id: z.string(),
  created: z.number().int(),
  model: z.string(),
  system_fingerprint: z.string(),
  object: z.literal('text_completion'),
};

export const completionSchema = z.strictObject({
  ...frame,
  choices: z.array(choiceSchema),
  usage: usageSchema,
  vessel: vesselReportSchema,
});
export const completionChunkSchema = z.strictObject({
  ...frame,
  choices: z.array(pieceSchema),
  usage: usageSchema.nullish(),
  /** In the last chunk. */
  vessel: vesselReportSchema.optional(),
});

type Choice = z.infer<typeof choiceSchema>;
type Piece = z.infer<typeof pieceSchema>;

/** @param topLogprobs alternatives per token, null for no log-probabilities at all */
export function completionFormat(codec: TextCodec, topLogprobs: number | null): AnswerFormat {
  const textOf = (id: number) => codec.tokenText(id).text;
  const logprobsOf = (tokens: PlacedToken[]): Choice['logprobs'] => {
    if (topLogprobs === null) return null;
    return {
      tokens: tokens.map(({ token }) => textOf(token.id)),
      token_logprobs: tokens.map(({ token }) => finite(token.logprob ?? Number.NEGATIVE_INFINITY)),
      top_logprobs:
        topLogprobs === 0
          ? null
          : tokens.map(({ token }) => Object.fromEntries(token.top.map(({ id, logprob }) => [textOf(id), finite(logprob)]))),
      text_offset: tokens.map(({ offset }) => offset),
    };
  };
  return {
    idPrefix: 'cmpl',
    wholeObject: 'text_completion',
    pieceObject: 'text_completion',
    whole: (index, { text, tokens, reason }): Choice => ({ index, text, logprobs: logprobsOf(tokens), finish_reason: reason }),
    open: () => null,
    text: (index, text, tokens): Piece => ({ index, text, logprobs: logprobsOf(tokens), finish_reason: null }),
    end: (index, reason): Piece => ({ index, text: '', logprobs: null, finish_reason: reason }),
  };
}
