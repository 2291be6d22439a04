/** The wire shapes of chat completions. */
import { z } from 'zod';
import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import type { TokenLogprob } from '../../../shared/protocol/asking.ts';
import type { AnswerFormat } from '../answers/answer-format.ts';
import { usageSchema, vesselReportSchema } from '../answers/answer-outcome.ts';
import { finite } from '../answers/finite.ts';
import type { PlacedToken } from '../answers/run-answer.ts';

const tokenSchema = z.strictObject({ token: z.string(), logprob: z.number(), bytes: z.array(z.number().int()) });
const logprobsSchema = z.strictObject({
  content: z.array(z.strictObject({ ...tokenSchema.shape, top_logprobs: z.array(tokenSchema) })),
  refusal: z.null(),
});
const finishSchema = z.enum(['stop', 'length']);
const frame = { id: z.string(), created: z.number().int(), model: z.string(), system_fingerprint: z.string() };

const choiceSchema = z.strictObject({
  index: z.number().int(),
  message: z.strictObject({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
  logprobs: logprobsSchema.nullable(),
  finish_reason: finishSchema,
});
const pieceSchema = z.strictObject({
  index: z.number().int(),
  delta: z.strictObject({ role: z.literal('assistant').optional(), content: z.string().optional() }),
  logprobs: logprobsSchema.nullable(),
  finish_reason: finishSchema.nullable(),
});

export const chatCompletionSchema = z.strictObject({
  ...frame,
  object: z.literal('chat.completion'),
  choices: z.array(choiceSchema),
  usage: usageSchema,
  vessel: vesselReportSchema,
});
export const chatChunkSchema = z.strictObject({
  ...frame,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(pieceSchema),
  usage: usageSchema.nullish(),
  /** In the last chunk. */
  vessel: vesselReportSchema.optional(),
});

type Choice = z.infer<typeof choiceSchema>;
type Piece = z.infer<typeof pieceSchema>;

export function chatFormat(codec: TextCodec, withLogprobs: boolean): AnswerFormat {
  const tokenOf = ({ id, logprob }: TokenLogprob): z.infer<typeof tokenSchema> => {
    const { text, bytes } = codec.tokenText(id);
    return { token: text, logprob: finite(logprob), bytes };
  };
  const logprobsOf = (tokens: PlacedToken[]): Choice['logprobs'] => {
    if (!withLogprobs) return null;
    const content = tokens.map(({ token: { id, logprob, top } }) => ({
      ...tokenOf({ id, logprob: logprob ?? Number.NEGATIVE_INFINITY }),
      top_logprobs: top.map(tokenOf),
    }));
    return { content, refusal: null };
  };
  return {
    idPrefix: 'chatcmpl',
    wholeObject: 'chat.completion',
    pieceObject: 'chat.completion.chunk',
    whole: (index, { text, tokens, reason }): Choice => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: logprobsOf(tokens),
      finish_reason: reason,
    }),
    open: (index): Piece => ({ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }),
    text: (index, text, tokens): Piece => ({
      index,
      delta: { content: text },
      logprobs: logprobsOf(tokens),
      finish_reason: null,
    }),
    end: (index, reason): Piece => ({ index, delta: {}, logprobs: null, finish_reason: reason }),
  };
}
