/** The credit by which somebody had a pending root cancelled, out of that transaction. */
import { decodeFunctionData } from 'viem';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import type { CreditFact } from './facts.ts';

/**
 * null for a root that was cancelled in another way (the operator's own `cancel`), or by way of another contract. The contract has
 * checked the signature: otherwise the transaction would have cancelled nothing.
 */
export async function shownCredit(chain: Chain, transaction: Hex, operator: Address): Promise<CreditFact | null> {
  const call = await chain.callOf(transaction);
  if (call?.contract !== 'payroll') return null;
  const { functionName, args } = decodeFunctionData({ abi: payrollAbi, data: call.data });
  if (functionName !== 'challengeCredit') return null;
  const [credit, signature] = args;
  if (credit.operator.toLowerCase() !== operator) return null;
  return { ...credit, operator, account: credit.account.toLowerCase() as Address, signature: signature.toLowerCase() as Hex };
}
