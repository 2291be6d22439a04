/** What the books know of vouchers that pay others than the operator: one record for each payer's key, and an entry for each step on chain. */
import type { PaymentMessage } from '../../shared/protocol/payment-types.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import type { Entry, Ledger } from '../ledger/ledger.ts';
import { type DirectFact, directFact, keys, readFact, writeFact } from './facts.ts';

export class DirectBook {
  readonly #ledger: Ledger;
  readonly #chain: Pick<Chain, 'confirmed'>;

  constructor(ledger: Ledger, chain: Pick<Chain, 'confirmed'>) {
    this.#ledger = ledger;
    this.#chain = chain;
  }

  async all(): Promise<DirectFact[]> {
    return (await this.#ledger.list(keys.directs)).map(([, text]) => readFact(directFact, text));
  }

  /** Books what was paid out by others' transactions: an account may take what is its own at any time. */
  async catchUp(): Promise<void> {
    const records = await this.all();
    if (records.length === 0) return;
    const chain = await this.#chain.confirmed();
    for (const { payer, sessionKey, claimed } of records) {
      for (const payee of Object.keys(claimed) as Address[]) await this.bookPaidOut(payer, sessionKey, payee, chain);
    }
  }

  /** What the chain has claimed since: into the books. What it would not give (the cap is used up) is not asked for again. */
  async bookClaimed(payer: Address, sessionKey: Address): Promise<void> {
    const record = await this.read(payer, sessionKey);
    const entries: Entry[] = [];
    const claimed = { ...record.claimed };
    const chain = await this.#chain.confirmed();
    for (const payee of bestOf(record.vouchers).keys()) {
      const now = (await chain.channelOf(payer, sessionKey, payee)).claimed;
      const added = now - (claimed[payee] ?? 0n);
      if (added <= 0n) continue;
      claimed[payee] = now;
      entries.push({
        id: `direct:${payer}:${sessionKey}:${payee}:${now}`,
        kind: 'direct',
        postings: [
          { account: `spent:${payer}:${sessionKey}`, amount: -added },
          { account: `direct:${payee}`, amount: added },
        ],
        evidence: { payer, sessionKey, payee, claimed: now, vouchers: record.vouchers },
      });
    }
    const kept = prune({ ...record, claimed });
    if (entries.length === 0 || (await chain.remainingOf(payer, sessionKey)) === 0n) kept.vouchers = [];
    await this.#ledger.append(entries, [[keys.direct(payer, sessionKey), writeFact(kept)]]);
  }

  async bookPaidOut(payer: Address, sessionKey: Address, payee: Address, at?: Chain): Promise<void> {
    const chain = at ?? (await this.#chain.confirmed());
    const record = await this.read(payer, sessionKey);
    const { paidOut } = await chain.channelOf(payer, sessionKey, payee);
    // Not beyond what the books know as claimed: the rest comes with its claim.
    const known = record.claimed[payee] ?? 0n;
    const now = paidOut < known ? paidOut : known;
    const amount = now - (record.paidOut[payee] ?? 0n);
    if (amount <= 0n) return;
    const entry: Entry = {
      id: `paid:${payer}:${sessionKey}:${payee}:${now}`,
      kind: 'claim',
      postings: [
        { account: `direct:${payee}`, amount: -amount },
        { account: `paid:${payee}`, amount },
      ],
      evidence: { payer, sessionKey, payee, paidOut: now },
    };
    const kept = { ...record, paidOut: { ...record.paidOut, [payee]: now } };
    await this.#ledger.append([entry], [[keys.direct(payer, sessionKey), writeFact(kept)]]);
  }

  async read(payer: Address, sessionKey: Address): Promise<DirectFact> {
    const text = await this.#ledger.read(keys.direct(payer, sessionKey));
    return text === null ? { payer, sessionKey, vouchers: [], due: {}, claimed: {}, paidOut: {} } : readFact(directFact, text);
  }
}

/** Per payee, the voucher that gives it most. */
export function bestOf(vouchers: readonly PaymentMessage[]): Map<Address, { cumulative: bigint; signature: string }> {
  const best = new Map<Address, { cumulative: bigint; signature: string }>();
  for (const message of vouchers) {
    if (message.kind !== 'voucher') continue;
    for (const { payee, cumulative } of message.voucher.payments) {
      const known = best.get(payee as Address);
      if (!known || cumulative > known.cumulative) best.set(payee as Address, { cumulative, signature: message.signature });
    }
  }
  return best;
}

export function prune(record: DirectFact): DirectFact {
  const needed = new Set(
    [...bestOf(record.vouchers)].flatMap(([payee, { cumulative, signature }]) =>
      cumulative > (record.claimed[payee] ?? 0n) ? [signature] : [],
    ),
  );
  return { ...record, vouchers: record.vouchers.filter(({ signature }) => needed.has(signature)) };
}
