/** What accounts have earned, read from the relay's books and the chain. */
import type { Address } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import type { Chain } from '../chain/chain.ts';
import type { Earnings, PayrollEpoch, PayrollLeaves, PayrollReader } from '../http/money.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { directFact, epochFact, keys, readFact } from '../payments/facts.ts';

export class LedgerPayroll implements PayrollReader {
  readonly #chain: Chain;
  readonly #ledger: Ledger;
  readonly #operator: Address;

  constructor(chain: Chain, ledger: Ledger, operator: Address) {
    this.#chain = chain;
    this.#ledger = ledger;
    this.#operator = operator;
  }

  async epochs(operator: Address): Promise<PayrollEpoch[]> {
    const [current, pending] = await Promise.all([this.#chain.currentOf(operator), this.#chain.pendingOf(operator)]);
    const onChain = (['current', 'pending'] as const).flatMap((state) => {
      const { root, total, epoch, readyAt } = state === 'current' ? current : pending;
      return epoch === 0 ? [] : [{ epoch, root, total, readyAt, state }];
    });
    if (operator !== this.#operator) return onChain;
    const past: PayrollEpoch[] = [];
    for (let epoch = 1; epoch < current.epoch; epoch++) {
      const text = await this.#ledger.read(keys.payroll(epoch));
      if (text === null) continue;
      const { root, total } = parsePayroll(text).tree;
      past.push({ epoch, root, total, readyAt: null, state: 'past' });
    }
    return [...past, ...onChain];
  }

  async leaves(epoch: number): Promise<PayrollLeaves | null> {
    const text = await this.#ledger.read(keys.payroll(epoch));
    if (text === null) return null;
    const { root, total, leaves } = parsePayroll(text).tree;
    return { operator: this.#operator, epoch, root, total, leaves: [...leaves] };
  }

  async earnings(account: Address): Promise<Earnings> {
    const [open, claimable, paid, pending, direct, payout, nonce] = await Promise.all([
      this.#ledger.balance(`earned:${account}`),
      this.#ledger.balance(`payroll:${account}`),
      this.#ledger.balance(`paid:${account}`),
      this.#pending(account),
      this.#direct(account),
      this.#chain.payoutOf(account),
      this.#chain.nonceOf(account),
    ]);
    // A root may give what no receipt stands for yet: then nothing is left outside it.
    const earned = open > pending ? open - pending : 0n;
    return { earned, pending, claimable, paid, payout, nonce, direct };
  }

  /** What the root under way adds. */
  async #pending(account: Address): Promise<bigint> {
    const closing = await this.#ledger.read(keys.closingEpoch);
    const text = closing ? await this.#ledger.read(keys.epoch(Number(closing))) : null;
    if (text === null) return 0n;
    return readFact(epochFact, text).lines.find((line) => line.account === account)?.added ?? 0n;
  }

  async #direct(account: Address): Promise<Earnings['direct']> {
    const facts = (await this.#ledger.list(keys.directs)).map(([, text]) => readFact(directFact, text));
    const mine = facts.filter(({ due, claimed }) => account in due || account in claimed);
    return Promise.all(
      mine.map(async ({ payer, sessionKey }) => ({
        payer,
        sessionKey,
        ...(await this.#chain.channelOf(payer, sessionKey, account)),
      })),
    );
  }
}
