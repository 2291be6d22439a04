/**
 * What the relay has promised to accounts through its payroll. One counter per account that never falls; a credit signs it, and is in
 * the Ledger before it is sent, so that no crash forgets a promise.
 *
 * What an ended session was promised and has not used counts for the next one of the same account, until its epoch closes: by then the
 * root gives it away, and a hop that has lost its own notes takes the root for what it has worked off.
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { PaymentMessage } from '../../shared/protocol/payment-types.ts';
import type { Owed } from '../../shared/receipts/ask-payer.ts';
import { creditDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type CreditFact, creditFact, keys, readFact, writeFact } from './facts.ts';

/** Signs a digest itself, 65 bytes. */
export interface DigestSigner {
  sign(parameters: { hash: Hex }): Promise<Hex>;
}

interface Promised {
  promised: bigint;
  /** What ended sessions have used of it. */
  used: bigint;
}

export class CreditBook {
  readonly #ledger: Ledger;
  readonly #place: ChainPlace;
  readonly #operator: Address;
  readonly #publisher: DigestSigner;
  readonly #accounts = new Map<Address, Promised>();
  /** Owed by sessions that have not ended. */
  readonly #sessions = new Map<string, Map<Address, bigint>>();

  private constructor(ledger: Ledger, place: ChainPlace, operator: Address, publisher: DigestSigner) {
    this.#ledger = ledger;
    this.#place = place;
    this.#operator = operator;
    this.#publisher = publisher;
  }

  static async open(ledger: Ledger, place: ChainPlace, operator: Address, publisher: DigestSigner): Promise<CreditBook> {
    const book = new CreditBook(ledger, place, operator, publisher);
    for (const [, text] of await ledger.list(keys.credits)) {
      const { account, cumulative } = readFact(creditFact, text);
      // What was under way when the relay stopped may have been used in full.
      book.#accounts.set(account, { promised: cumulative, used: cumulative });
    }
    return book;
  }

  /** Raises the promises to what the session owes now, in one write, and returns the credits. Call it in turn with `closeEpoch`. */
  async promise(session: string, owed: Owed, epoch: number): Promise<Map<Address, PaymentMessage>> {
    const before = this.#sessions.get(session) ?? new Map<Address, bigint>();
    const now = new Map(before);
    for (const [account, amount] of owed) now.set(account, max(amount, before.get(account) ?? 0n));
    const credits = new Map<Address, CreditFact>();
    for (const [account, amount] of now) {
      const { promised, used } = this.#accounts.get(account) ?? { promised: 0n, used: 0n };
      const needed = used + this.#owedTo(account) - (before.get(account) ?? 0n) + amount;
      const credit = { operator: this.#operator, account, cumulative: max(promised, needed), epoch };
      const signature = await this.#publisher.sign({ hash: creditDigest(this.#place, credit) });
      credits.set(account, { ...credit, signature });
    }
    await this.#ledger.append(
      [],
      [...credits.values()].map((credit) => [keys.credit(credit.account), writeFact(credit)] as const),
    );
    this.#sessions.set(session, now);
    for (const [account, { cumulative }] of credits) {
      this.#accounts.set(account, { promised: cumulative, used: this.#accounts.get(account)?.used ?? 0n });
    }
    return new Map([...credits].map(([account, credit]) => [account, toMessage(credit)]));
  }

  /**
   * Takes over a credit that was signed here and that this ledger does not know (it was put back to an older state, say), together with
   * `facts`. All of it counts as used. Call it in turn with the others.
   */
  async adopt(credit: CreditFact, facts: readonly (readonly [string, string])[] = []): Promise<void> {
    const { promised, used } = this.#accounts.get(credit.account) ?? { promised: 0n, used: 0n };
    const missing = credit.cumulative - promised;
    const newest: [string, string][] = missing > 0n ? [[keys.credit(credit.account), writeFact(credit)]] : [];
    await this.#ledger.append([], [...newest, ...facts]);
    if (missing > 0n) this.#accounts.set(credit.account, { promised: credit.cumulative, used: used + missing });
  }

  /** The session is over. `earned`: accounts whose last word is known. */
  end(session: string, earned: Owed): void {
    const owed = this.#sessions.get(session);
    this.#sessions.delete(session);
    for (const [account, amount] of owed ?? []) {
      const entry = this.#accounts.get(account)!;
      const known = earned.get(account);
      // Whoever has not said what it used may have used everything that other sessions do not need.
      if (known === undefined) entry.used = max(entry.used + amount, entry.promised - this.#owedTo(account));
      else entry.used += min(known, amount);
    }
  }

  /** Everything promised so far, as the root will give it; what is spare of it is given away with that. */
  closeEpoch(): Map<Address, bigint> {
    for (const [account, entry] of this.#accounts) entry.used = max(entry.used, entry.promised - this.#owedTo(account));
    return new Map([...this.#accounts].map(([account, { promised }]) => [account, promised]));
  }

  #owedTo(account: Address): bigint {
    let sum = 0n;
    for (const owed of this.#sessions.values()) sum += owed.get(account) ?? 0n;
    return sum;
  }
}

export function toMessage({ signature, ...credit }: CreditFact): PaymentMessage {
  return { kind: 'credit', credit, signature };
}

/** Throws `payment_required` when an answer that may cost `bound` wei would cost more. */
export function requireWithin(owed: bigint, bound: bigint): void {
  if (owed <= bound) return;
  throw new VesselError('payment_required', `This answer would cost ${owed} wei, more than the ${bound} wei allowed for it.`);
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);
const min = (a: bigint, b: bigint) => (a < b ? a : b);
