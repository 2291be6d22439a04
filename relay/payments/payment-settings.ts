/** What an operator can choose about money. Amounts in wei. */
import type { Ask } from '../../shared/receipts/price.ts';

export interface PaymentSettings {
  /** What providers ask who name no price of their own. */
  ask: Ask;
  /** From one payroll root to the next. */
  epochMs: number;
  /** How often it is looked whether something is due. */
  tickMs: number;
  /** Less than this waits for more; null: as long as its gas would cost more than `gasShare` of it. */
  minPayout: bigint | null;
  /** A payer's vouchers for others are claimed once they hold this much, or when their time runs out; null: as above. */
  minClaim: bigint | null;
  /** Wei of AIC that one whole coin of the chain is worth to the operator. 0n: gas is free. */
  aicPerCoin: bigint;
  /** Basis points: what gas may cost of a payout. */
  gasShare: number;
  /** Seconds before an authorization's expiry in which nothing new is begun on it. */
  expiryMargin: number;
  /** Seconds before the end of a claim window in which everything is collected at once. */
  collectMargin: number;
}

const aic = 10n ** 18n;

export const defaultPaymentSettings: PaymentSettings = {
  // A 30-layer model answers a million tokens for 30 AIC; reading the prompt costs a quarter of that.
  ask: { prompt: aic / 4_000_000n, output: aic / 1_000_000n },
  epochMs: 24 * 3_600_000,
  tickMs: 15_000,
  minPayout: null,
  minClaim: null,
  // No market tells. With it a payout on a chain of 0.01 gwei waits for 0.145 AIC, on one of 1 gwei for 14.5.
  aicPerCoin: 10_000n * aic,
  gasShare: 500,
  // The longest answer there is.
  expiryMargin: 600,
  collectMargin: 3_600,
};

/** Vouchers or channels in one transaction: some 50 fit into two million gas. */
export const batchSize = 50;
