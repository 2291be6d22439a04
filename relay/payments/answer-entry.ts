/** The book entry of one session that was paid for: what its papers say, as amounts. The same computation makes it and checks it. */
import { z } from 'zod';
import { paymentSchema, receiptSchema, shareSchema } from '../../shared/protocol/payment-messages.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { type Price, type Share, sharePrice } from '../../shared/receipts/price.ts';
import type { Entry, Posting } from '../ledger/ledger.ts';
import { chargeFact } from './facts.ts';

export const answerEvidence = z.strictObject({
  session: z.string(),
  /** The newest receipt of each hop. */
  receipts: z.array(receiptSchema),
  /** The newest credit of each account that was promised something. */
  payments: z.array(paymentSchema),
  shares: z.array(shareSchema).transform((shares) => shares as Share[]),
  /** What the payer is charged in all after this answer, signed by its session key. */
  charge: chargeFact,
});
export type AnswerEvidence = z.infer<typeof answerEvidence>;

export function answerId(session: string): string {
  return `answer:${session}`;
}

/** Hops get what they signed for; shares are rounded down, against whoever is paid. */
export function answerPrice({ receipts, shares }: Pick<AnswerEvidence, 'receipts' | 'shares'>): Price {
  const hops = receipts.map(({ receipt }) => receipt.amount);
  const compute = sum(hops);
  const perShare = shares.map(({ basisPoints }) => sharePrice(compute, basisPoints));
  return { hops, shares: perShare, total: compute + sum(perShare) };
}

export function answerEntry(evidence: AnswerEvidence): Entry {
  const { receipts, shares, charge, session } = evidence;
  const price = answerPrice(evidence);
  const earned = new Map<Address, bigint>();
  const add = (account: string, amount: bigint) =>
    earned.set(account as Address, (earned.get(account as Address) ?? 0n) + amount);
  for (const [index, { receipt }] of receipts.entries()) add(receipt.account, price.hops[index]!);
  for (const [index, { account }] of shares.entries()) add(account, price.shares[index]!);
  const credits = [...earned].map(([account, amount]): Posting => ({ account: `earned:${account}`, amount }));
  const debit: Posting = { account: `payer:${charge.payer}:${charge.sessionKey}`, amount: -price.total };
  return { id: answerId(session), kind: 'answer', postings: [debit, ...credits], evidence };
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}
