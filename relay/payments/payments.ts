/**
 * What the HTTP API and the coordinator need to know about money. `null` in their place means a network without a chain: everything
 * is free. Implemented by `relay/payments/relay-payments.ts`.
 */
import type { AskPayer } from '../../sdk/paying/ask-payer.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Price, Share } from '../../shared/receipts/price.ts';

/** Who pays for requests with an API key (or for one x402 payment). */
export interface PayingParty {
  payer: Address;
  /** The relay holds its private half. */
  sessionKey: Address;
  /** Never more than this through this key, in wei; null: the authorization's cap alone. */
  spendLimit: bigint | null;
}

export interface PaidAnswer {
  price: Price;
  /** keccak256 over the signed papers of the answer: what `usage.receipt` shows and the books keep. */
  receipt: Hex;
}

/** Money held for one answer that is under way. */
export interface Reservation {
  /** The relay's way of paying the hops: signed payroll credits, batch by batch. */
  payer: AskPayer;
  /** Charges what was used and frees the rest. Call it once, also after an error or a hang-up: what was computed is paid. */
  settle(): Promise<PaidAnswer>;
}

export interface Payments {
  /** What `welcome` announces to every client. */
  readonly terms: NetworkTerms;
  /** Royalty receivers and the network, for one model. */
  shares(model: string): Promise<Share[]>;
  /** Upper bound for one answer of this model on the dearest route there is, in wei. */
  quote(model: string, promptTokens: number, maxTokens: number): Promise<bigint>;
  /** Holds `bound` of what the party may spend. Throws VesselError `payment_required` when that does not cover it. */
  reserve(party: PayingParty, session: { model: string; bound: bigint }): Promise<Reservation>;
  /** What the party may still spend, in wei. */
  available(party: PayingParty): Promise<bigint>;
  /** What answers have cost the party so far, collected on chain or not, in wei. */
  spentBy(party: Pick<PayingParty, 'payer' | 'sessionKey'>): Promise<bigint>;
}
