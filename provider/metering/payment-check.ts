import type { PaymentMessage } from '../../shared/protocol/payment-types.ts';

/** Whether promises of one source are worth working for. All errors are `bad_message` or `payment_required`, or come from the chain. */
export interface PaymentCheck {
  /** Throws unless the source can pay at all. */
  requireLive(): Promise<void>;
  /** Wei that were surely used before, for a hop that remembers nothing of this source. */
  usedBefore(): Promise<bigint>;
  /** Cumulative wei promised to this hop's account. Throws for the promise of somebody else, or to somebody else. */
  amountOf(payment: PaymentMessage): bigint;
  /** Throws unless the right key signed. */
  requireSigned(payment: PaymentMessage): void;
  /** Throws unless the chain has the money. */
  requireCovered(payment: PaymentMessage): Promise<void>;
}
