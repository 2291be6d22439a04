/**
 * One payroll root after the other. An epoch is closed in one write: from then on credits name the next one. What follows (collect, fund,
 * propose, wait for the window, accept, book) finds by itself how far it got, so it can be stopped anywhere and taken up again.
 *
 * The root gives each account everything it was ever promised by a signed credit. What no receipt stands for is the operator's to
 * bear (`float`): at most a batch per account and epoch, and what was under way; the receipts of that come later and pay it back.
 */
import { concatHex } from 'viem';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { parsePayroll, toJson } from '../../shared/receipts/payroll-file.ts';
import { buildPayrollTree, type PayrollTree } from '../../shared/receipts/payroll-tree.ts';
import type { Chain } from '../chain/chain.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import type { Entry, Ledger, Posting } from '../ledger/ledger.ts';
import { watchChain } from './chain-watch.ts';
import type { Collector } from './collector.ts';
import type { CreditBook } from './credit-book.ts';
import { type CreditFact, type EpochFact, epochFact, keys, readFact, writeFact } from './facts.ts';
import { perform } from './perform.ts';
import { shownCredit } from './shown-credit.ts';

export type EpochState =
  /** No root is under way. */
  | { state: 'open'; epoch: number }
  /** Waits for its window; unix seconds. */
  | { state: 'pending'; epoch: number; readyAt: number };

interface EpochParts {
  ledger: Ledger;
  chain: Chain;
  sender: ChainSender;
  operator: Address;
  collector: Collector;
  /** Takes a credit over into the credit book, with facts in the same write, in turn with new promises. */
  adopt: (credit: CreditFact, facts: [string, string][]) => Promise<void>;
}

/** A root cancelled this often without a reason that can be read needs a person. */
const maxUnexplained = 2;

export class PayrollEpochs {
  readonly #parts: EpochParts;

  constructor(parts: EpochParts) {
    this.#parts = parts;
  }

  /** The epoch that credits signed now name. Asks the chain the first time only. */
  async openEpoch(): Promise<number> {
    const { ledger, chain, operator } = this.#parts;
    const known = await ledger.read(keys.openEpoch);
    if (known !== null) return Number(known);
    const [current, pending] = [await chain.currentOf(operator), await chain.pendingOf(operator)];
    if (current.epoch > 0 || pending.epoch > 0)
      throw new VesselError(
        'internal',
        `The operator ${operator} has a payroll on this chain that this ledger does not know. Bring its ledger back, or use another operator.`,
      );
    await ledger.write(keys.openEpoch, '1', null);
    return 1;
  }

  /**
   * Writes down what the next root gives, and opens the epoch after it. False when there is nothing new, or one is under way. Call it
   * in turn with `credits.promise` and with settling.
   */
  async close(credits: CreditBook, nowMs: number): Promise<boolean> {
    const { ledger, collector } = this.#parts;
    if (await ledger.read(keys.closingEpoch)) return false;
    const epoch = await this.openEpoch();
    const before = (await this.tree(epoch - 1)) ?? buildPayrollTree(new Map());
    const given = new Map(before.leaves.map(({ account, cumulative }) => [account, cumulative]));
    const earned = await ledger.balances('earned:');
    const promised = credits.closeEpoch();
    const lines = [...promised]
      .filter(([, cumulative]) => cumulative > 0n)
      .map(([account, cumulative]) => {
        const added = cumulative - (given.get(account) ?? 0n);
        return { account, cumulative, added, float: added - (earned.get(`earned:${account}`) ?? 0n) };
      });
    if (lines.every(({ added, float }) => added === 0n && float === 0n)) return false;
    const tree = buildPayrollTree(new Map(lines.map(({ account, cumulative }) => [account, cumulative])));
    await ledger.append(
      [],
      [
        [keys.openEpoch, `${epoch + 1}`],
        [keys.closingEpoch, `${epoch}`],
        [keys.closedAtMs, `${nowMs}`],
        [keys.epoch(epoch), writeFact({ epoch, lines, corrections: [] } satisfies EpochFact)],
        [keys.payroll(epoch), toJson({ operator: this.#parts.operator, epoch, tree })],
        ...collector.facts(`epoch-${epoch}`, await collector.due()),
      ],
    );
    return true;
  }

  /** Goes on with the epoch that is closing, as far as the chain's clock lets it. */
  async advance(signal?: AbortSignal): Promise<EpochState> {
    const { ledger, chain, operator, collector } = this.#parts;
    await collector.run(signal);
    const closing = await ledger.read(keys.closingEpoch);
    if (!closing) return { state: 'open', epoch: await this.openEpoch() };
    const epoch = Number(closing);
    if ((await chain.currentOf(operator)).epoch < epoch) {
      for (let isThere = false; !isThere; ) {
        const cancelled = await this.#correct(epoch);
        const tree = (await this.tree(epoch))!;
        await this.#fund(epoch, tree, signal);
        isThere = await this.#propose(epoch, tree, cancelled, signal);
      }
      const { readyAt } = await chain.pendingOf(operator);
      if ((await chain.currentOf(operator)).epoch < epoch) {
        if ((await chain.now()) < readyAt) return { state: 'pending', epoch, readyAt };
        await this.#accept(epoch, signal);
      }
    }
    // A window that ended in a block which is reorganised away is open again: the root may still be challenged.
    const confirmed = await chain.confirmed();
    if ((await confirmed.currentOf(operator)).epoch < epoch) return { state: 'pending', epoch, readyAt: await chain.now() };
    await this.#book(epoch, (await this.tree(epoch))!);
    return { state: 'open', epoch: epoch + 1 };
  }

  /** null: this ledger has no such epoch. */
  async file(epoch: number): Promise<string | null> {
    return this.#parts.ledger.read(keys.payroll(epoch));
  }

  async tree(epoch: number): Promise<PayrollTree | null> {
    const text = await this.file(epoch);
    return text === null ? null : parsePayroll(text).tree;
  }

  async #fund(epoch: number, { total }: PayrollTree, signal?: AbortSignal): Promise<void> {
    const { ledger, chain, sender, operator } = this.#parts;
    const missing = async () => total - (await chain.fundedOf(operator));
    const step = {
      id: `fund:${epoch}`,
      kind: 'fund' as const,
      isDone: async () => (await missing()) <= 0n,
      body: async () => {
        const [needed, has] = [await missing(), await chain.aicOf(sender.address)];
        if (has < needed)
          throw new VesselError(
            'payment_required',
            `The payroll of epoch ${epoch} lacks ${needed} wei, and the relay's key ${sender.address} has ${has}. Send it AIC.`,
          );
        return callBody('aic', 'transferAndCall', [chain.addresses.payroll, needed, concatHex([operator])]);
      },
    };
    await perform(ledger, sender, step, signal);
    // Taken out again since (by the operator, or by a reorganisation): a root cannot be proposed on it.
    if (await step.isDone()) return;
    await perform(ledger, sender, { ...step, id: `fund:${epoch}:again:${await chain.fundedOf(operator)}` }, signal);
  }

  /** True when the root is on chain; false when it was cancelled since `cancelled` was counted. */
  async #propose(epoch: number, tree: PayrollTree, cancelled: number, signal?: AbortSignal): Promise<boolean> {
    const { ledger, chain, sender, operator } = this.#parts;
    const isThere = async () =>
      (await chain.pendingOf(operator)).epoch === epoch || (await chain.currentOf(operator)).epoch >= epoch;
    const step = (id: string) => ({
      id,
      kind: 'propose' as const,
      isDone: isThere,
      body: async () => callBody('payroll', 'propose', [operator, tree.root, tree.total, epoch]),
    });
    const id = cancelled === 0 ? `propose:${epoch}` : `propose:${epoch}:${cancelled}`;
    await perform(ledger, sender, step(id), signal);
    if (!(await isThere())) {
      await watchChain(ledger, chain, operator);
      if ((await ledger.list(keys.cancelled(epoch))).length > cancelled) return false;
      // Reorganised away after all, or its cancellation is not confirmed yet.
      const confirmed = await chain.confirmed();
      if ((await confirmed.pendingOf(operator)).epoch === epoch)
        throw new VesselError('chain_unavailable', `The root of epoch ${epoch} is being cancelled. It is looked at again.`);
      await perform(ledger, sender, step(`${id}:again`), signal);
    }
    const [pending, current] = [await chain.pendingOf(operator), await chain.currentOf(operator)];
    const found = pending.epoch === epoch ? pending : current.epoch === epoch ? current : null;
    if (found?.root === tree.root) return true;
    throw new VesselError(
      'internal',
      `The chain has ${found ? `another root (${found.root})` : 'no root'} for epoch ${epoch}. Run vessel books check.`,
    );
  }

  /**
   * Takes over the credits by which this epoch's root was cancelled: the root proposed next honours them. Nobody else's part
   * changes. Returns how often it was cancelled.
   */
  async #correct(epoch: number): Promise<number> {
    const { ledger, chain, operator, adopt } = this.#parts;
    const cancelled = await ledger.list(keys.cancelled(epoch));
    let explained = 0;
    for (const [, transaction] of cancelled) {
      const fact = readFact(epochFact, (await ledger.read(keys.epoch(epoch)))!);
      const isKnown = fact.corrections.some((correction) => correction.transaction === transaction);
      const credit = isKnown ? null : await shownCredit(chain, transaction as Hex, operator);
      if (isKnown || credit) explained += 1;
      if (!credit) continue;
      const corrected = withCredit(fact, credit, transaction);
      const tree = buildPayrollTree(new Map(corrected.lines.map(({ account, cumulative }) => [account, cumulative])));
      await adopt(credit, [
        [keys.epoch(epoch), writeFact(corrected)],
        [keys.payroll(epoch), toJson({ operator, epoch, tree })],
      ]);
    }
    if (cancelled.length - explained > maxUnexplained)
      throw new VesselError(
        'internal',
        `The root of epoch ${epoch} was cancelled ${cancelled.length} times, and not by a credit that can be read. Run vessel books check.`,
      );
    return cancelled.length;
  }

  #accept(epoch: number, signal?: AbortSignal): Promise<void> {
    const { ledger, chain, sender, operator } = this.#parts;
    return perform(
      ledger,
      sender,
      {
        id: `accept:${epoch}`,
        kind: 'accept',
        isDone: async () => (await chain.currentOf(operator)).epoch >= epoch,
        body: async () => callBody('payroll', 'accept', [operator]),
      },
      signal,
    );
  }

  async #book(epoch: number, { root, total }: PayrollTree): Promise<void> {
    const { ledger } = this.#parts;
    const { lines, corrections } = readFact(epochFact, (await ledger.read(keys.epoch(epoch)))!);
    const float = lines.reduce((sum, line) => sum + line.float, 0n);
    const floats = lines.flatMap(({ account, float }): Posting[] =>
      float === 0n ? [] : [{ account: `earned:${account}`, amount: float }],
    );
    const added = lines.flatMap(({ account, added }): Posting[] =>
      added === 0n
        ? []
        : [
            { account: `earned:${account}`, amount: -added },
            { account: `payroll:${account}`, amount: added },
          ],
    );
    const entries: Entry[] = [];
    const evidence = { epoch, root, total, ...(corrections.length > 0 ? { corrections } : {}) };
    if (floats.length > 0)
      entries.push({
        id: `float:${epoch}`,
        kind: 'float',
        postings: [...floats, { account: 'operator', amount: -float }],
        evidence,
      });
    if (added.length > 0) entries.push({ id: `root:${epoch}`, kind: 'root', postings: added, evidence });
    await ledger.append(entries, [
      [keys.closingEpoch, ''],
      [keys.acceptedEpoch, `${epoch}`],
    ]);
  }
}

/** No receipt stands for what the credit adds, as far as this ledger knows: it is the operator's to bear until one does. */
function withCredit(fact: EpochFact, credit: CreditFact, transaction: string): EpochFact {
  const { account, cumulative } = credit;
  const known = fact.lines.find((line) => line.account === account) ?? { account, cumulative: 0n, added: 0n, float: 0n };
  const more = cumulative > known.cumulative ? cumulative - known.cumulative : 0n;
  const line = { account, cumulative: known.cumulative + more, added: known.added + more, float: known.float + more };
  return {
    ...fact,
    lines: [...fact.lines.filter((other) => other.account !== account), line],
    corrections: [...fact.corrections, { transaction, credit }],
  };
}
