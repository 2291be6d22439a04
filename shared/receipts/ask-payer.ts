/**
 * How an asker pays. Two kinds: `VoucherPayer` (a session key over a payer's escrow; SDK) and the relay's credits (its publisher key over its
 * payroll). Both promise cumulative amounts per account; `pay` is called before each batch and never needs the network.
 */
import type { PaymentMessage, PaymentSource, ReceiptMessage } from '../protocol/payment-types.ts';
import type { Address } from './hex.ts';

/** What one session owes so far, by account: hops, then shares. Amounts never fall within a session. */
export type Owed = ReadonlyMap<Address, bigint>;

export type SignedReceipt = ReceiptMessage;

export interface AskPayer {
  readonly source: PaymentSource;
  /** Never promise more than this for one session, in wei. Throws `payment_required` from `pay` beyond it. */
  readonly bound: bigint;
  /**
   * Promises what the session owes, on top of what other sessions owe. Returns the message for each hop's account: for vouchers
   * one and the same, for credits one each. Throws VesselError `payment_required` when the escrow, cap or bound does not cover it.
   */
  pay(session: string, owed: Owed): Promise<Map<Address, PaymentMessage>>;
  /**
   * The session is over; `receipts` are the newest of its hops. What was promised stays promised: cumulative amounts do not fall.
   * `earned` has the accounts whose last word is known, with what the session owes them in the end: the rest of their promise may
   * count for the next session. An account left out may have used all that it was promised.
   *
   * Resolves to what settles the session, by account: promises cut down to what was used, which honest hops take in place of the higher
   * ones. Null where the payer does not settle so.
   */
  end(session: string, receipts: readonly SignedReceipt[], earned: Owed): Promise<Map<Address, PaymentMessage> | null>;
}
