/** What metering asks of the place it runs in: a look at the chain, and a drawer for vouchers. */
import type { PaymentMessage, PaymentSource, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import type { Address } from '../../shared/receipts/hex.ts';

export interface AuthorizationState {
  /** Wei set aside for the session key; 0 for one that was never authorized. */
  cap: bigint;
  /** Wei of it that vouchers have drawn. */
  spent: bigint;
  /** Unix seconds. */
  expiry: number;
  closed: boolean;
  /** Wei that the payee asked about has claimed by this key's vouchers. */
  claimed: bigint;
}

export interface PayrollState {
  /** Wei that the root which counts gives the account, over all epochs. */
  cumulative: bigint;
  /** Of that root; 0 before the first. */
  epoch: number;
}

/** Reads the chain. Rejects with `chain_unavailable`. */
export interface CoverageReader {
  authorization(payer: Address, sessionKey: Address, payee: Address): Promise<AuthorizationState>;
  payroll(operator: Address, account: Address): Promise<PayrollState>;
}

/** What a hop must not lose of one source of money: the newest promise, and how much of it is worked off. */
export interface StoredCover {
  source: PaymentSource;
  payment: PaymentMessage;
  /** Wei of the promise that finished sessions have used. */
  used: bigint;
  /** Of the newest session that used it. */
  receipt: ReceiptMessage | null;
  session: string | null;
}

/** Keeps the newest promise of each source until it is claimed, so that a relay that vanishes takes nothing along. */
export interface VoucherStore {
  read(key: string): Promise<StoredCover | null>;
  write(key: string, cover: StoredCover): Promise<void>;
  remove(key: string): Promise<void>;
  /** Every key that begins with `prefix`. */
  list(prefix: string): Promise<[key: string, cover: StoredCover][]>;
}

/** To the relay (`earned`). */
export interface Earned {
  session: string;
  payment: PaymentMessage;
  receipt: ReceiptMessage;
}
