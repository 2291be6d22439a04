/**
 * What a verdict takes from an account: only of what a pending root adds, which has not been earned for good (IPayroll). Only the payroll's
 * court can send it. The books follow from the chain's event, whoever sent it.
 */
import { zeroHash } from 'viem';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { zeroAddress } from '../../shared/receipts/payroll-tree.ts';
import type { Chain } from '../chain/chain.ts';
import { type CallBody, callBody } from '../chain/contract-calls.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { keys } from './facts.ts';
import type { PayrollEpochs } from './payroll-epochs.ts';

export interface ForfeitOrder {
  account: Address;
  /** Wei, at most what `atRisk` says. */
  amount: bigint;
  /** `refund` of it, in wei, goes into this payer's escrow; what is left of `amount` is burnt. null: all of it. */
  payer: Address | null;
  refund: bigint;
  /** 32 bytes that name the verdict: the hash of its evidence. One verdict takes from an account once. */
  verdict: Hex;
}

interface ForfeitParts {
  ledger: Ledger;
  chain: Chain;
  operator: Address;
  epochs: PayrollEpochs;
}

/** Wei that a verdict can still take from the account at this moment; 0 while no root is pending. Call it on caught-up books. */
export async function atRisk({ ledger, chain, operator, epochs }: ForfeitParts, account: Address): Promise<bigint> {
  const { epoch, readyAt } = await chain.pendingOf(operator);
  if (epoch === 0 || (await chain.now()) >= readyAt) return 0n;
  const [pending, current] = [await epochs.tree(epoch), await epochs.tree(epoch - 1)];
  if (!pending) return 0n;
  const given = (tree: typeof pending | null) => {
    const leaf = tree?.evidenceOf(account).leaf;
    return leaf?.account === account ? leaf.cumulative : 0n;
  };
  const held = BigInt((await ledger.read(keys.held(epoch, account))) ?? 0);
  const left = given(pending) - given(current) - held;
  return left > 0n ? left : 0n;
}

/** The court's call. Throws `bad_request` when nothing, or too little, is at risk, or the order contradicts itself. */
export async function forfeitCall(parts: ForfeitParts, order: ForfeitOrder): Promise<CallBody> {
  const { chain, operator, epochs } = parts;
  const { account, amount, payer, refund, verdict } = order;
  if (amount <= 0n || refund < 0n || refund > amount || (refund > 0n && payer === null) || verdict === zeroHash)
    throw new VesselError('bad_request', 'A verdict takes something, refunds no more than that, and says to whom and for what.');
  const most = await atRisk(parts, account);
  if (amount > most)
    throw new VesselError(
      'bad_request',
      `Only ${most} wei of ${account} can be forfeited now, not ${amount}: the rest is its own.`,
    );
  const { epoch } = await chain.pendingOf(operator);
  const pending = (await epochs.tree(epoch))!.proofOf(account);
  const current = (await epochs.tree(epoch - 1))?.evidenceOf(account) ?? {
    leaf: { account: zeroAddress, cumulative: 0n, next: zeroAddress },
    proof: [],
  };
  return callBody('payroll', 'forfeit', [
    operator,
    pending.leaf,
    pending.proof,
    current.leaf,
    current.proof,
    amount,
    payer ?? zeroAddress,
    refund,
    verdict,
  ]);
}
