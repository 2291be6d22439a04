/** How the last hop draws a token. Parsed at every door it passes; the defaults are those of the OpenAI API. */
import { z } from 'zod';
import { limits } from './limits.ts';

export const samplingSchema = z.strictObject({
  /** 0 is greedy: the highest logit, ties to the lowest id. */
  temperature: z.number().min(0).max(2).default(1),
  topP: z.number().gt(0).max(1).default(1),
  /** 0 is off. */
  topK: z.number().int().min(0).max(limits.maxTopK).default(0),
  minP: z.number().min(0).max(1).default(0),
  /** 1 is off. Divides positive and multiplies negative logits of tokens already in prompt or answer. */
  repetitionPenalty: z.number().min(0.1).max(10).default(1),
  /** Subtracted once from tokens already in the answer. */
  presencePenalty: z.number().min(-2).max(2).default(0),
  /** Subtracted per occurrence in the answer. */
  frequencyPenalty: z.number().min(-2).max(2).default(0),
  /** Any 53-bit integer. The draw depends on (seed, choice, position) alone. */
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  /** Which of `n` choices this session is. */
  choice: z
    .number()
    .int()
    .min(0)
    .max(limits.maxChoices - 1)
    .default(0),
  /** [token id, bias −100…100]. */
  logitBias: z
    .array(z.tuple([z.number().int().min(0), z.number().min(-100).max(100)]))
    .max(limits.maxLogitBias)
    .default([]),
  /** How many alternatives to report beside the drawn token; null reports no logprobs. */
  topLogprobs: z.number().int().min(0).max(limits.maxTopLogprobs).nullable().default(null),
});

export type Sampling = z.infer<typeof samplingSchema>;
