/** The answers of `vessel books`, as JSON text with amounts as decimal text; the same from a running relay and from its folder. */
import { z } from 'zod';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { toLedgerJson } from '../ledger/check-entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { checkBooks } from './check-books.ts';

const amount = z.string();
export const checkAnswer = z.object({
  comparisons: z.array(z.object({ name: z.string(), left: z.tuple([z.string(), amount]), right: z.tuple([z.string(), amount]) })),
  faults: z.array(z.string()),
  difference: amount,
  counts: z.object({
    entries: z.number(),
    answers: z.number(),
    receipts: z.number(),
    credits: z.number(),
    epoch: z.number(),
  }),
  owed: amount,
  float: amount,
});
export type CheckAnswer = z.infer<typeof checkAnswer>;

export const entryAnswer = z.object({
  sequence: z.number(),
  atMs: z.number(),
  id: z.string(),
  kind: z.string(),
  postings: z.array(z.object({ account: z.string(), amount })),
  evidence: z.record(z.string(), z.unknown()),
});
export type EntryAnswer = z.infer<typeof entryAnswer>;

/** `/check`, `/list` (the newest 100 entries without evidence), `/show/<id>`. null for anything else. */
export async function answerBooks(
  path: string,
  { ledger, chain, operator, catchUp }: { ledger: Ledger; chain: Chain; operator: Address; catchUp: () => Promise<void> },
): Promise<string | null> {
  if (path === '/check') {
    await catchUp();
    return toLedgerJson(await checkBooks(ledger, chain, operator));
  }
  if (path === '/list') {
    const newest = [];
    for await (const entry of ledger.entries()) {
      newest.push({ ...entry, evidence: {} });
      if (newest.length > 100) newest.shift();
    }
    return toLedgerJson(newest);
  }
  if (!path.startsWith('/show/')) return null;
  const entry = await ledger.entry(decodeURIComponent(path.slice('/show/'.length)));
  return entry && toLedgerJson(entry);
}
