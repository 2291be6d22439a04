/** Sends accounts what they have, to the payout address they named. Sums too small for their gas wait; those without an address, too. */
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import type { BookAccount, Ledger } from '../ledger/ledger.ts';
import type { PayrollEpochs } from './payroll-epochs.ts';
import { perform } from './perform.ts';

interface PayoutParts {
  ledger: Ledger;
  chain: Chain;
  sender: ChainSender;
  operator: Address;
  epochs: PayrollEpochs;
  minPayout: bigint;
}

/** Claims from the payroll, for everyone who is owed enough by the root that counts. Returns how many. */
export async function payFromPayroll(parts: PayoutParts, signal?: AbortSignal): Promise<number> {
  const { ledger, chain, sender, operator, epochs, minPayout } = parts;
  const { epoch } = await chain.currentOf(operator);
  const due = await dueAccounts(ledger, 'payroll:', minPayout);
  const tree = due.length > 0 ? await epochs.tree(epoch) : null;
  if (!tree) return 0;
  let paid = 0;
  for (const account of due) {
    if ((await chain.payoutOf(account)) === null) continue;
    const evidence = tree.evidenceOf(account);
    if (evidence.leaf.account !== account) continue;
    const left = async () => {
      const taken = await chain.paidOf(operator, account);
      return evidence.leaf.cumulative - taken.paid - taken.forfeited;
    };
    // The books hear of claims only once they are confirmed.
    if ((await left()) < minPayout) continue;
    const { leaf, proof } = evidence;
    await perform(
      ledger,
      sender,
      {
        id: `claim:${epoch}:${account}`,
        kind: 'claim',
        isDone: async () => (await left()) <= 0n,
        body: async () => callBody('payroll', 'claim', [operator, leaf, proof]),
      },
      signal,
    );
    paid += 1;
  }
  return paid;
}

export async function dueAccounts(ledger: Ledger, prefix: 'payroll:' | 'direct:', least: bigint): Promise<Address[]> {
  const balances = await ledger.balances(prefix);
  return [...balances].filter(([, amount]) => amount >= least).map(([name]) => addressOf(name));
}

function addressOf(name: BookAccount): Address {
  return name.slice(name.indexOf(':') + 1) as Address;
}
