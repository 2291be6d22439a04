/** Books what happened to the operator's payroll on chain, whoever caused it: claims, and what a verdict took. */
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain, ChainEvent } from '../chain/chain.ts';
import type { Entry, Ledger } from '../ledger/ledger.ts';
import { DirectBook } from './direct-book.ts';
import { keys } from './facts.ts';

/** Reads confirmed events from where it last stopped. Entry and place are one write: an event is booked once. */
export async function watchChain(ledger: Ledger, chain: Chain, operator: Address): Promise<void> {
  for (;;) {
    const from = BigInt((await ledger.read(keys.eventBlock)) ?? chain.firstBlock);
    const page = await chain.events(from);
    if (page.next === from) return;
    await ledger.append(
      page.events.flatMap((event) => entryOf(event, operator)),
      [[keys.eventBlock, `${page.next}`]],
    );
    if (page.isCaughtUp) return;
  }
}

/** Everything that others did, for a ledger that no relay runs on at the moment. */
export async function catchUpBooks(ledger: Ledger, chain: Chain, operator: Address): Promise<void> {
  await watchChain(ledger, chain, operator);
  await new DirectBook(ledger, chain).catchUp();
}

export function entryOf(event: ChainEvent, operator: Address): Entry[] {
  if (event.contract !== 'payroll' || (event.name !== 'Claimed' && event.name !== 'Forfeited')) return [];
  const { amount, operator: whose, account: who } = event.args;
  if (whose.toLowerCase() !== operator) return [];
  const account = who.toLowerCase() as Address;
  const target = event.name === 'Claimed' ? (`paid:${account}` as const) : (`forfeited:${account}` as const);
  return [
    {
      id: `payroll-event:${event.transactionHash}:${event.logIndex}`,
      kind: event.name === 'Claimed' ? 'claim' : 'forfeit',
      postings: [
        { account: `payroll:${account}`, amount: -amount },
        { account: target, amount },
      ],
      evidence: { transaction: event.transactionHash, block: event.blockNumber, event: event.name, account, amount },
    },
  ];
}
