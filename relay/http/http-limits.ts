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
  /** How long an offer may take from signature to settlement; the chain's own time is in it. */
  x402Seconds: 300,
  /** A signed transfer must be valid for at least this much longer: a few blocks of a slow chain. */
  x402MarginSeconds: 6,
  /** A payment has about 1,500 characters; contract wallets' signatures are longer. */
  x402HeaderChars: 16_384,
  /** 0x and 4 KiB: a passkey wallet's signature has about 700 bytes. */
  signatureChars: 2 + 2 * 4096,
  /** A sign-in must be signed within this time. */
  signInMs: 10 * 60_000,
  /** Then the wallet signs again: short, as a session can make and lift limits of keys. */
  sessionMs: 60 * 60_000,
  /** Sign-ins and sessions remembered; beyond, the oldest go. */
  maxSignIns: 10_000,
  /** API keys of one payer that are not revoked. */
  maxKeysPerPayer: 32,
  /** A key whose authorization never reached the chain is forgotten after this. */
  pendingKeyMs: 24 * 60 * 60_000,
  /** The contract's own limit. */
  maxAuthorizationSeconds: 400 * 24 * 60 * 60,
  /** Bodies of everything that is no prompt: the largest is a raw transaction or a passkey's signature. */
  smallBodyBytes: 64 * 1024,
  /** Calls that cost the relay gas, per address. */
  gasCallsPerMinute: 6,
  /** Calls in one JSON-RPC batch: viem sends up to 1,000, pages need a dozen. */
  maxRpcBatch: 32,
  /** Callers remembered by the rate limiter before those with a full allowance are forgotten. */
  maxRememberedCallers: 10_000,
} as const;
