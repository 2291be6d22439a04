/** Payments that count in memory: each prompt token costs 1 wei, each answered one 2. Quotes, reservations and charges keep the contract. */
import type { PaidAnswer, PayingParty, Payments, Reservation } from '../relay/payments/payments.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { Owed } from '../shared/receipts/ask-payer.ts';
import type { Address, Hex } from '../shared/receipts/hex.ts';
import type { Share } from '../shared/receipts/price.ts';

const at = (digit: string): Address => `0x${digit.repeat(40)}`;
export const testTerms: NetworkTerms = {
  chainId: 31_337,
  aic: at('a'),
  ledger: at('b'),
  payroll: at('c'),
  accounts: at('d'),
  asset: at('e'),
  registry: at('f'),
  operator: at('1'),
  publisher: at('2'),
  ask: { prompt: 1n, output: 2n },
};

export class FakePayments implements Payments {
  readonly terms: NetworkTerms;
  /** What a payer may spend through a session key. */
  readonly balances = new Map<string, bigint>();
  /** Reservations that were not settled. */
  open = 0;
  /** Charged so far, in order. */
  readonly charged: { party: PayingParty; total: bigint }[] = [];
  #settled = 0;

  constructor(terms: NetworkTerms = testTerms) {
    this.terms = terms;
  }

  async spentBy({ payer, sessionKey }: Pick<PayingParty, 'payer' | 'sessionKey'>): Promise<bigint> {
    return this.charged
      .filter(({ party }) => party.payer === payer && party.sessionKey === sessionKey)
      .reduce((sum, { total }) => sum + total, 0n);
  }

  give(payer: Address, sessionKey: Address, amount: bigint): void {
    const key = `${payer}:${sessionKey}`;
    this.balances.set(key, (this.balances.get(key) ?? 0n) + amount);
  }

  async shares(): Promise<Share[]> {
    return [];
  }

  async quote(_model: string, promptTokens: number, maxTokens: number): Promise<bigint> {
    return BigInt(promptTokens) * this.terms.ask.prompt + BigInt(maxTokens) * this.terms.ask.output;
  }

  async available({ payer, sessionKey, spendLimit }: PayingParty): Promise<bigint> {
    const balance = this.balances.get(`${payer}:${sessionKey}`) ?? 0n;
    return spendLimit !== null && spendLimit < balance ? spendLimit : balance;
  }

  async reserve(party: PayingParty, { bound }: { model: string; bound: bigint }): Promise<Reservation> {
    if ((await this.available(party)) < bound) throw new VesselError('payment_required');
    const key = `${party.payer}:${party.sessionKey}`;
    this.balances.set(key, this.balances.get(key)! - bound);
    this.open++;
    const owed = new Map<string, bigint>();
    return {
      payer: {
        source: { kind: 'credit', operator: this.terms.operator },
        bound,
        pay: async (session, amounts: Owed) => {
          owed.set(
            session,
            [...amounts.values()].reduce((sum, amount) => sum + amount, 0n),
          );
          return new Map();
        },
        end: async () => null,
      },
      settle: async (): Promise<PaidAnswer> => {
        this.open--;
        const total = [...owed.values()].reduce((sum, amount) => sum + amount, 0n);
        this.balances.set(key, this.balances.get(key)! + bound - total);
        this.charged.push({ party, total });
        const receipt = `0x${(++this.#settled).toString(16).padStart(64, '0')}` as Hex;
        return { price: { hops: [total], shares: [], total }, receipt };
      },
    };
  }
}
