/** What happened to the operator's payroll on chain, as entries and facts of the books. */
import type { Address } from '../../shared/receipts/hex.ts';
import type { ChainEvent } from '../chain/chain.ts';
import type { Entry, Ledger } from '../ledger/ledger.ts';
import { keys } from './facts.ts';

export interface BookedEvents {
  entries: Entry[];
  facts: [string, string][];
}

/**
 * Turns events, in the order of the chain, into what is to be written. Forfeits are of the root that was proposed last: only a pending
 * root can be taken from. Reads from the ledger what earlier events left there.
 */
export async function bookEvents(ledger: Ledger, events: readonly ChainEvent[], operator: Address): Promise<BookedEvents> {
  const entries: Entry[] = [];
  const facts = new Map<string, string>();
  const read = async (key: string) => facts.get(key) ?? (await ledger.read(key));
  for (const event of events) {
    if (event.contract !== 'payroll' || !('operator' in event.args) || event.args.operator.toLowerCase() !== operator) continue;
    switch (event.name) {
      case 'Proposed':
        facts.set(keys.proposedEpoch, `${event.args.epoch}`);
        break;
      case 'Cancelled':
        facts.set(`${keys.cancelled(event.args.epoch)}${event.transactionHash}:${event.logIndex}`, event.transactionHash);
        break;
      case 'Claimed':
        entries.push(entryOf(event, event.args, {}));
        break;
      case 'Forfeited': {
        const { amount, payer, refund, verdict } = event.args;
        const account = event.args.account.toLowerCase() as Address;
        const epoch = Number((await read(keys.proposedEpoch)) ?? 0);
        const entry = entryOf(event, event.args, { epoch, payer: payer.toLowerCase(), refund, verdict });
        const held = keys.held(epoch, account);
        facts.set(held, `${BigInt((await read(held)) ?? 0) + amount}`);
        facts.set(keys.verdict(verdict, account), entry.id);
        entries.push(entry);
        break;
      }
    }
  }
  return { entries, facts: [...facts] };
}

function entryOf(event: ChainEvent, of: { account: Address; amount: bigint }, more: Record<string, unknown>): Entry {
  const account = of.account.toLowerCase() as Address;
  const { amount } = of;
  const isClaim = event.name === 'Claimed';
  return {
    id: `payroll-event:${event.transactionHash}:${event.logIndex}`,
    kind: isClaim ? 'claim' : 'forfeit',
    postings: [
      { account: `payroll:${account}`, amount: -amount },
      { account: isClaim ? `paid:${account}` : `forfeited:${account}`, amount },
    ],
    evidence: { transaction: event.transactionHash, block: event.blockNumber, event: event.name, account, amount, ...more },
  };
}
