/** Books what happened to the operator's payroll on chain, whoever caused it: claims, cancelled roots, and what a verdict took. */
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { DirectBook } from './direct-book.ts';
import { keys } from './facts.ts';
import { bookEvents } from './payroll-events.ts';

/** Reads confirmed events from where it last stopped. Entry and place are one write: an event is booked once. */
export async function watchChain(ledger: Ledger, chain: Chain, operator: Address): Promise<void> {
  for (;;) {
    const from = BigInt((await ledger.read(keys.eventBlock)) ?? chain.firstBlock);
    const page = await chain.events(from);
    if (page.next === from) return;
    const { entries, facts } = await bookEvents(ledger, page.events, operator);
    await ledger.append(entries, [...facts, [keys.eventBlock, `${page.next}`]]);
    if (page.isCaughtUp) return;
  }
}

/** Everything that others did, for a ledger that no relay runs on at the moment. */
export async function catchUpBooks(ledger: Ledger, chain: Chain, operator: Address): Promise<void> {
  await watchChain(ledger, chain, operator);
  await new DirectBook(ledger, chain).catchUp();
}
