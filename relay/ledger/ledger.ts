/**
 * What must not be lost (design R3): append-only double entry, the signed papers behind it, and the journal of what was sent to
 * the chain. One implementation in SQL (PGlite in the data folder, Postgres by DATABASE_URL); the shared suite runs on both.
 *
 * Every method is one transaction: after a crash it has happened or it has not. Amounts are bigint wei.
 */
import type { Address, Hex } from '../../shared/receipts/hex.ts';

/** Where money can be, as the relay sees it. Credits of an account minus its debits are its balance. */
export type BookAccount =
  /** What a payer owes for answers that were given, not yet collected by a voucher on chain. */
  | `payer:${Address}:${Address}`
  /** What an account has earned through the payroll and no accepted root gives it yet. */
  | `earned:${Address}`
  /** In an accepted root, not yet claimed. */
  | `payroll:${Address}`
  /** Claimed on chain, and sent to its payout address. */
  | `paid:${Address}`
  /** Taken from an account in the window of its root, by a verdict. */
  | `forfeited:${Address}`
  /** Earned by vouchers on the ledger contract, for accounts paid directly, and not yet paid out. */
  | `direct:${Address}`
  /** What a payer's escrow has paid to them, by payer and session key. */
  | `spent:${Address}:${Address}`
  /** The operator's own money: its float, rounding, costs. */
  | 'operator';

export interface Posting {
  account: BookAccount;
  /** Positive: credit. Negative: debit. */
  amount: bigint;
}

export interface Entry {
  /** Makes the entry idempotent: appending the same id again does nothing. e.g. `answer:<session>`, `root:<epoch>`. */
  id: string;
  kind: 'answer' | 'collect' | 'root' | 'claim' | 'direct' | 'forfeit' | 'float';
  /** Sum of amounts is zero, or the entry is refused with `unbalanced`. */
  postings: Posting[];
  /** Signed papers and facts it rests on, so that the books can be computed again from them alone. JSON; a bigint reads back as text. */
  evidence: Record<string, unknown>;
}

export interface StoredEntry extends Entry {
  sequence: number;
  atMs: number;
}

/** A transaction meant for the chain. Written before it is sent, so that a restart finds it. */
export interface Intent {
  id: string;
  kind: 'collect' | 'fund' | 'propose' | 'accept' | 'claim' | 'payout' | 'authorize' | 'deposit' | 'forfeit';
  /** What to do, enough to build the call again. */
  body: Record<string, unknown>;
  state: 'planned' | 'sent' | 'confirmed' | 'failed';
  /** Of every transaction sent for it; a replacement keeps the nonce. */
  hashes: Hex[];
  nonce: number | null;
  error: string | null;
}

export interface Ledger {
  /**
   * Appends entries in order and writes facts, all or none. Known ids are skipped; the facts are written all the same. Returns how
   * many entries were new. Throws VesselError `unbalanced` for an entry whose amounts do not add up to zero.
   */
  append(entries: readonly Entry[], facts?: readonly (readonly [key: string, value: string])[]): Promise<number>;
  balance(account: BookAccount): Promise<bigint>;
  /** Balances of all accounts with this prefix (`earned:`), without those at zero. */
  balances(prefix: string): Promise<Map<BookAccount, bigint>>;
  entry(id: string): Promise<StoredEntry | null>;
  /** In order of sequence, from `after` (exclusive) on. */
  entries(after?: number): AsyncIterable<StoredEntry>;

  /** Small facts: cursors, counters, the newest voucher per session key. `expected` makes it a compare-and-set. */
  read(key: string): Promise<string | null>;
  write(key: string, value: string, expected?: string | null): Promise<boolean>;
  list(prefix: string): Promise<[key: string, value: string][]>;

  plan(intent: Pick<Intent, 'id' | 'kind' | 'body'>): Promise<Intent>;
  update(id: string, change: Partial<Pick<Intent, 'state' | 'hashes' | 'nonce' | 'error'>>): Promise<void>;
  intent(id: string): Promise<Intent | null>;
  /** Everything not yet confirmed or failed, oldest first. */
  openIntents(): Promise<Intent[]>;

  close(): Promise<void>;
}
