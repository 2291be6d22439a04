/**
 * Pays out of a payer's escrow with vouchers of a session key. Promises of all its sessions are made one after the other, because
 * each voucher carries what the key has promised to anyone so far.
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { PaymentMessage, PaymentSource } from '../../shared/protocol/payment-types.ts';
import { voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { addressOf, signDigest } from '../../shared/receipts/secp-signature.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import type { AskPayer, Owed, SignedReceipt } from './ask-payer.ts';

/** What a session key has promised, kept before a voucher leaves: a key that forgets it signs vouchers nobody takes. */
export interface PromiseStore {
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

export interface VoucherPayerOptions {
  /** Private half of the session key. */
  sessionKey: Hex;
  payer: Address;
  place: ChainPlace;
  /** Wei set aside for the key on chain. */
  cap: bigint;
  /** Wei for one session at most. Default: the cap. */
  bound?: bigint;
  /** For a key that is used again after a restart. Default: it is not. */
  promises?: PromiseStore;
}

/** Per account, in wei. */
interface Promised {
  promised: bigint;
  /** What ended sessions have used of it. */
  used: bigint;
}

export class VoucherPayer implements AskPayer {
  readonly source: PaymentSource;
  readonly bound: bigint;
  readonly #options: VoucherPayerOptions;
  readonly #accounts = new Map<Address, Promised>();
  readonly #sessions = new Map<string, Map<Address, bigint>>();
  #total = 0n;
  #tail: Promise<unknown>;

  constructor(options: VoucherPayerOptions) {
    // Wallets write addresses with capitals that are a checksum; on the wire they are lower-case.
    const payer = options.payer.toLowerCase() as Address;
    this.#options = { ...options, payer };
    this.source = { kind: 'voucher', payer, sessionKey: addressOf(options.sessionKey) };
    this.bound = options.bound ?? options.cap;
    this.#tail = this.#load();
    this.#tail.catch(() => undefined);
  }

  /** Wei promised to anyone so far. */
  get total(): bigint {
    return this.#total;
  }

  pay(session: string, owed: Owed): Promise<Map<Address, PaymentMessage>> {
    return this.#inTurn(() => this.#pay(session, owed));
  }

  end(session: string, _receipts: readonly SignedReceipt[], earned: Owed): Promise<Map<Address, PaymentMessage>> {
    return this.#inTurn(async () => {
      const owed = this.#sessions.get(session);
      this.#sessions.delete(session);
      for (const [account, amount] of owed ?? []) {
        const entry = this.#accounts.get(account)!;
        const known = earned.get(account);
        // Whoever has not said what it used may have used everything that other sessions do not need.
        if (known === undefined) entry.used = max(entry.used + amount, entry.promised - this.#owedTo(account));
        else entry.used += min(known, amount);
      }
      await this.#save();
      // Signed once more, for what was used. What was promised before stays promised in these books, as a dishonest hop may keep it.
      const used = [...(owed?.keys() ?? [])].map((account): [Address, bigint] => {
        const entry = this.#accounts.get(account)!;
        return [account, min(entry.promised, entry.used + this.#owedTo(account))];
      });
      return used.length === 0 ? new Map() : this.#sign(new Map(used));
    });
  }

  async #pay(session: string, owed: Owed): Promise<Map<Address, PaymentMessage>> {
    const before = this.#sessions.get(session) ?? new Map<Address, bigint>();
    const now = new Map(before);
    for (const [account, amount] of owed) now.set(account, max(amount, before.get(account) ?? 0n));
    if (sum(now.values()) > this.bound) {
      throw new VesselError('payment_required', `This answer would cost more than the ${this.bound} wei allowed for one.`);
    }
    const cumulative = new Map<Address, bigint>();
    let total = this.#total;
    for (const [account, amount] of now) {
      const { promised, used } = this.#accounts.get(account) ?? { promised: 0n, used: 0n };
      const needed = used + this.#owedTo(account) - (before.get(account) ?? 0n) + amount;
      cumulative.set(account, max(promised, needed));
      total += max(0n, needed - promised);
    }
    if (total > this.#options.cap) {
      throw new VesselError('payment_required', 'What was set aside for this key is used up. Authorize more, or a new key.');
    }
    this.#sessions.set(session, now);
    this.#total = total;
    for (const [account, promised] of cumulative) {
      this.#accounts.set(account, { promised, used: this.#accounts.get(account)?.used ?? 0n });
    }
    await this.#save();
    return this.#sign(cumulative);
  }

  #sign(cumulative: ReadonlyMap<Address, bigint>): Map<Address, PaymentMessage> {
    const payments = [...cumulative].map(([payee, amount]) => ({ payee, cumulative: amount }));
    const voucher = { payer: this.#options.payer, total: this.#total, payments };
    const signature = signDigest(voucherDigest(this.#options.place, voucher), this.#options.sessionKey);
    const message: PaymentMessage = { kind: 'voucher', voucher, signature };
    return new Map([...cumulative.keys()].map((account) => [account, message]));
  }

  /** By sessions that have not ended. */
  #owedTo(account: Address): bigint {
    return sum([...this.#sessions.values()].map((owed) => owed.get(account) ?? 0n));
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => undefined);
    return done;
  }

  async #load(): Promise<void> {
    const text = await this.#options.promises?.load();
    if (!text) return;
    for (const [account, promised] of Object.entries(JSON.parse(text) as Record<Address, string>)) {
      // What was under way when it stopped may have been used in full.
      this.#accounts.set(account as Address, { promised: BigInt(promised), used: BigInt(promised) });
    }
    this.#total = sum([...this.#accounts.values()].map(({ promised }) => promised));
  }

  async #save(): Promise<void> {
    const promised = [...this.#accounts].map(([account, entry]) => [account, entry.promised.toString()]);
    await this.#options.promises?.save(JSON.stringify(Object.fromEntries(promised)));
  }
}

function sum(amounts: Iterable<bigint>): bigint {
  let total = 0n;
  for (const amount of amounts) total += amount;
  return total;
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);
const min = (a: bigint, b: bigint) => (a < b ? a : b);
