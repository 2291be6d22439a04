/** Brings what payers owe into the operator's payroll: vouchers to the ledger contract, what they earned out of it, and into the books. */
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import type { Ledger, Posting } from '../ledger/ledger.ts';
import { type ChargeFact, type CollectFact, chargeFact, collectFact, keys, readFact, writeFact } from './facts.ts';
import { chargeVoucher } from './party-book.ts';
import { batchSize } from './payment-settings.ts';
import { perform } from './perform.ts';

interface CollectorParts {
  ledger: Ledger;
  chain: Chain;
  sender: ChainSender;
  operator: Address;
}

export class Collector {
  readonly #parts: CollectorParts;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /** Vouchers of all session keys that owe something. */
  async due(): Promise<ChargeFact[]> {
    const { ledger } = this.#parts;
    const owing = await ledger.balances('payer:');
    const charges = (await ledger.list(keys.charges)).map(([, text]) => readFact(chargeFact, text));
    return charges.filter(({ payer, sessionKey }) => (owing.get(`payer:${payer}:${sessionKey}`) ?? 0n) < 0n);
  }

  /** The facts with which a collection begins; written together with whatever asks for it. */
  facts(id: string, charges: ChargeFact[]): [string, string][] {
    return [[keys.collecting, writeFact({ id, charges } satisfies CollectFact)]];
  }

  async isUnderWay(): Promise<boolean> {
    return !!(await this.#parts.ledger.read(keys.collecting));
  }

  /** Goes on with the collection that was begun, to its end. Does nothing without one. */
  async run(signal?: AbortSignal): Promise<void> {
    const { ledger, chain, sender, operator } = this.#parts;
    const text = await ledger.read(keys.collecting);
    if (!text) return;
    const { id, charges } = readFact(collectFact, text);
    for (let start = 0; start < charges.length; start += batchSize) {
      const batch = charges.slice(start, start + batchSize);
      await this.#claim(`collect:${id}:claim:${start}`, batch, signal);
      await this.#payOut(`collect:${id}:payout:${start}`, batch, signal);
    }
    const postings: Posting[] = [];
    const facts: [string, string][] = [[keys.collecting, '']];
    const channels = [];
    // Not from the newest block: what somebody else has just claimed for us may be reorganised away.
    const confirmed = await chain.confirmed();
    for (const { payer, sessionKey, cumulative } of charges) {
      const { paidOut } = await confirmed.channelOf(payer, sessionKey, operator);
      const booked = BigInt((await ledger.read(keys.collected(payer, sessionKey))) ?? 0);
      if (paidOut <= booked) continue;
      postings.push({ account: `payer:${payer}:${sessionKey}`, amount: paidOut - booked });
      facts.push([keys.collected(payer, sessionKey), `${paidOut}`]);
      channels.push({ payer, sessionKey, charged: cumulative, paidOut, before: booked });
    }
    const total = postings.reduce((sum, { amount }) => sum + amount, 0n);
    const entry = { id: `collect:${id}`, kind: 'collect' as const, evidence: { operator: sender.address, channels } };
    await ledger.append(
      total === 0n ? [] : [{ ...entry, postings: [...postings, { account: 'operator', amount: -total }] }],
      facts,
    );
  }

  #claim(id: string, charges: ChargeFact[], signal?: AbortSignal): Promise<void> {
    const { ledger, chain, sender, operator } = this.#parts;
    const isClaimed = async ({ payer, sessionKey, cumulative }: ChargeFact) =>
      (await chain.channelOf(payer, sessionKey, operator)).claimed >= cumulative ||
      (await chain.remainingOf(payer, sessionKey)) === 0n;
    return perform(
      ledger,
      sender,
      {
        id,
        kind: 'collect',
        isDone: () => all(charges, isClaimed),
        body: async () =>
          callBody('ledger', 'claimBatch', [
            charges.map((charge) => chargeVoucher(charge, operator)),
            charges.map(({ signature }) => signature),
          ]),
      },
      signal,
    );
  }

  /** Straight into the payroll where the hot key is the operator; else to the operator's payout address, by which it funds. */
  #payOut(id: string, charges: ChargeFact[], signal?: AbortSignal): Promise<void> {
    const { ledger, chain, sender, operator } = this.#parts;
    const channels = charges.map(({ payer, sessionKey }) => ({ payer, sessionKey }));
    const isPaidOut = async ({ payer, sessionKey }: ChargeFact) => {
      const { claimed, paidOut } = await chain.channelOf(payer, sessionKey, operator);
      return paidOut === claimed;
    };
    return perform(
      ledger,
      sender,
      {
        id,
        kind: 'collect',
        isDone: () => all(charges, isPaidOut),
        body: async () =>
          sender.address === operator
            ? callBody('ledger', 'payOutAndCall', [channels, chain.addresses.payroll, operator])
            : callBody('ledger', 'payOut', [operator, channels]),
      },
      signal,
    );
  }
}

async function all<T>(items: readonly T[], is: (item: T) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (!(await is(item))) return false;
  return true;
}
