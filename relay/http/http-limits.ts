/** Bounds of the HTTP API beside those of the protocol, each with its reason. */
import { limits } from '../../shared/protocol/limits.ts';

export const httpLimits = {
  /** Answers (prompts × n) one request may ask for: what one asker may have open at one provider. */
  maxAnswers: limits.maxSessionsPerAsker,
  /** Answer length when the request does not say. KV is reserved for it on every hop, so it is not the rest of the context. */
  defaultMaxTokens: 1024,
  /**
   * Characters per token of context beyond which a prompt is refused unread: ordinary text has about 4, so this is far outside,
   * and running a tokenizer over megabytes would stall everyone else.
   */
  maxCharactersPerToken: 32,
  maxMessages: 4096,
  /** Orders of a service in one request: one session keeps its provider's slot until the last is done. */
  maxOrders: 256,
  /** What the JSON around the input of a service may take: 256 headers of 256 bytes. */
  orderHeaderBytes: 64 * 1024,
  maxParts: 256,
  /** Callers remembered by the rate limiter before those with a full allowance are forgotten. */
  maxRememberedCallers: 10_000,
} as const;
