/**
 * The asking side's contract with the network, in token ids. The SDK implements it over WebRTC, the relay's HTTP API uses the
 * same implementation over the links it already has; text is a layer above (`sdk/text`).
 */
import type { AskPayer } from '../receipts/ask-payer.ts';
import type { Hex } from '../receipts/hex.ts';
import type { Price } from '../receipts/price.ts';
import type { ErrorCode } from './errors.ts';
import type { Sampling } from './sampling.ts';

export interface AskIds {
  /** Model name or manifest CID. */
  model: string;
  promptIds: number[];
  /** Tokens to generate at most, at least 1. */
  maxTokens: number;
  sampling: Sampling;
  /** An id that ends the answer and is not part of it. Empty: run to maxTokens. */
  stopIds: number[];
  /** Who pays; without one only free providers answer. */
  payer?: AskPayer;
  /** In wei: an answer that could cost more is refused with `payment_required` before anything is opened. */
  maxPrice?: bigint;
  /** How long the answer waits for another provider when one is lost, in milliseconds. Default 30,000. */
  recoverMs?: number;
  signal?: AbortSignal;
}

export interface RouteHop {
  /** Provider's libp2p peer id. */
  provider: string;
  from: number;
  to: number;
  backend: 'webgpu' | 'wasm';
  adapter: string;
}

export interface TokenLogprob {
  id: number;
  /** Natural logarithm, of the model's distribution at temperature 1 before penalties. */
  logprob: number;
}

export type AskEvent =
  /** Who answers; again when a hop was replaced. */
  | { type: 'route'; session: string; hops: RouteHop[] }
  | { type: 'token'; index: number; id: number; logprob: number | null; top: TokenLogprob[] }
  | { type: 'done'; reason: 'stop' | 'length'; stats: AskStats; paid?: AnswerPaid };

/** What a paid answer cost. Left out for a free one. */
export interface AnswerPaid {
  /** Per hop of the route and per share, in wei. */
  price: Price;
  /** Over everything that was signed about the answer (shared/receipts/answer-receipt.ts). */
  receipt: Hex;
}

export interface AskStats {
  /** Bytes of activation frames sent from hop to hop for generated tokens, divided by tokens and by links. */
  bytesPerTokenPerHop: number;
  /** Messages between relay and hops that this session caused after it was opened, per token. */
  relayMessagesPerToken: number;
  /** Times that hops were replaced. */
  failovers: number;
  /** One for each of them. */
  recoveries: Recovery[];
}

/** How a lost hop was replaced. Times in milliseconds. */
export interface Recovery {
  /** Peer ids. */
  lost: string[];
  code: ErrorCode;
  /** Tokens of the answer at that moment. */
  tokens: number;
  /** From the last sign of life of the lost hop to the moment it was called lost. */
  silentMs: number;
  /** Until the relay had named the replacement: as long as it takes for one to hold the layers. */
  matchMs: number;
  /** Until every hop knew the new route: dialling included. */
  openMs: number;
  /** Until the next token, or the next progress of the prompt: the KV is rebuilt. Null: the answer ended before. */
  rebuildMs: number | null;
}

/** Runs one session. Ends with `done` or throws a VesselError. Leaving the loop early cancels and frees every hop. */
export type AskIdsFunction = (request: AskIds) => AsyncIterable<AskEvent>;
