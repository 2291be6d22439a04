/** How the last hop draws a token. Parsed at every door it passes; the defaults are those of the OpenAI API. */
import { z } from 'zod';
import { limits } from './limits.ts';

// Written out, not inferred: the SDK publishes it, and who installs the SDK has no zod.
/** How tokens are drawn. */
export interface Sampling {
  /** 0 to 2. 0 is greedy: the highest logit, ties to the lowest id. Default 1. */
  temperature: number;
  /** Above 0 to 1. Default 1. */
  topP: number;
  /** 0 is off, the default. */
  topK: number;
  /** 0 to 1. Default 0. */
  minP: number;
  /** 0.1 to 10; 1 is off, the default. Divides positive and multiplies negative logits of tokens already in prompt or answer. */
  repetitionPenalty: number;
  /** −2 to 2. Subtracted once from tokens already in the answer. Default 0. */
  presencePenalty: number;
  /** −2 to 2. Subtracted per occurrence in the answer. Default 0. */
  frequencyPenalty: number;
  /** Any whole number from 0 to 2⁵³ − 1. The draw depends on (seed, choice, position) alone. */
  seed: number;
  /** Which of `n` choices this session is. Default 0. */
  choice: number;
  /** [token id, bias −100…100]. Default empty. */
  logitBias: [id: number, bias: number][];
  /** How many alternatives to report beside the drawn token; null, the default, reports no logprobs. */
  topLogprobs: number | null;
}

export const samplingSchema = z.strictObject({
  temperature: z.number().min(0).max(2).default(1),
  topP: z.number().gt(0).max(1).default(1),
  topK: z.number().int().min(0).max(limits.maxTopK).default(0),
  minP: z.number().min(0).max(1).default(0),
  repetitionPenalty: z.number().min(0.1).max(10).default(1),
  presencePenalty: z.number().min(-2).max(2).default(0),
  frequencyPenalty: z.number().min(-2).max(2).default(0),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  choice: z
    .number()
    .int()
    .min(0)
    .max(limits.maxChoices - 1)
    .default(0),
  logitBias: z
    .array(z.tuple([z.number().int().min(0), z.number().min(-100).max(100)]))
    .max(limits.maxLogitBias)
    .default([]),
  topLogprobs: z.number().int().min(0).max(limits.maxTopLogprobs).nullable().default(null),
}) satisfies z.ZodType<Sampling>;
