/** What travels about money, as types alone: the schemas are in payment-messages.ts, which compares them. */
import type { Address, Hex } from '../receipts/hex.ts';
import type { Ask } from '../receipts/price.ts';
import type { HopReceipt, PayrollCredit, Voucher } from '../receipts/typed-data.ts';

/** What a relay announces: contracts and prices of its network. */
export interface NetworkTerms {
  chainId: number;
  aic: Address;
  ledger: Address;
  payroll: Address;
  accounts: Address;
  asset: Address;
  registry: Address;
  /** Whose payroll pays for what the relay's own HTTP API asks. */
  operator: Address;
  /** Signs payroll credits; the operator itself if it names no publisher. */
  publisher: Address;
  /** What providers ask who name no price of their own. */
  ask: Ask;
}

/** Where the money for a session comes from: a payer's escrow by a session key, or a relay's payroll. */
export type PaymentSource = { kind: 'voucher'; payer: Address; sessionKey: Address } | { kind: 'credit'; operator: Address };

/** Everything promised to a hop by this source so far, over all sessions. */
export type PaymentMessage =
  | { kind: 'voucher'; voucher: Voucher; signature: Hex }
  | { kind: 'credit'; credit: PayrollCredit; signature: Hex };

/** What a hop did so far, signed by its device key. */
export interface ReceiptMessage {
  receipt: HopReceipt;
  /** SubjectPublicKeyInfo, base64url. */
  key: string;
  /** r ‖ s, low s. */
  signature: Hex;
}
