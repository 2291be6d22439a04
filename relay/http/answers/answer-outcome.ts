/** What `vessel.detail` tells about an answer: where it was computed, from which ids to which, how fast. */
import { z } from 'zod';
import type { AskStats, Recovery, RouteHop } from '../../../shared/protocol/asking.ts';
import { errorCodes } from '../../../shared/protocol/errors.ts';
import type { Charged } from '../payment/bill.ts';

export const answerOutcomeSchema = z.strictObject({
  index: z.number().int(),
  session: z.string(),
  promptIds: z.array(z.number().int()),
  /** Without the id that ended the answer; with those of a stop string. */
  tokenIds: z.array(z.number().int()),
  route: z.array(
    z.strictObject({
      provider: z.string(),
      from: z.number().int(),
      to: z.number().int(),
      backend: z.enum(['webgpu', 'wasm']),
      adapter: z.string(),
    }) satisfies z.ZodType<RouteHop>,
  ),
  /** Null when a stop string ended the answer before the network could. */
  stats: z
    .strictObject({
      bytesPerTokenPerHop: z.number(),
      relayMessagesPerToken: z.number(),
      failovers: z.number().int(),
      recoveries: z.array(
        z.strictObject({
          lost: z.array(z.string()),
          code: z.enum(errorCodes),
          tokens: z.number().int(),
          silentMs: z.number(),
          matchMs: z.number(),
          openMs: z.number(),
          rebuildMs: z.number().nullable(),
        }) satisfies z.ZodType<Recovery>,
      ),
    })
    .nullable() satisfies z.ZodType<AskStats | null>,
  /** Milliseconds from the start of the session; null without a token. */
  firstTokenMs: z.number().nullable(),
  /** Rate after the first token; null with fewer than two. */
  tokensPerSecond: z.number().nullable(),
});
export type AnswerOutcome = z.infer<typeof answerOutcomeSchema>;

/** Wei in decimal, and the hash that the books know the answer by. Only in a network where answers are paid for. */
export const chargedFields = {
  price: z.string().optional(),
  receipt: z.string().optional(),
};
export type ChargedFields = { price?: string; receipt?: string };

export function chargedFieldsOf(charged: Charged | null): ChargedFields {
  return charged ? { price: charged.price.toString(), receipt: charged.receipt } : {};
}

export const vesselReportSchema = z.strictObject({
  /** The seed that was used: sending it again gives the same answer. */
  seed: z.number().int(),
  /** With `vessel.detail` only, one per choice. */
  choices: z.array(answerOutcomeSchema).optional(),
  /** As in `usage`, for streams that were not asked for it. */
  ...chargedFields,
});
export type VesselReport = z.infer<typeof vesselReportSchema>;

export const usageSchema = z.strictObject({
  prompt_tokens: z.number().int(),
  completion_tokens: z.number().int(),
  total_tokens: z.number().int(),
  ...chargedFields,
});
export type Usage = z.infer<typeof usageSchema>;
