/** Our contracts by name, and calls of them as an Intent keeps them: enough to send them again, and readable. */
import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  decodeErrorResult,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
} from 'viem';
import { z } from 'zod';
import { accountsAbi } from '../../shared/chain/accounts.ts';
import { aicAbi } from '../../shared/chain/aic.ts';
import { assetAbi } from '../../shared/chain/asset.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import { serviceRegistryAbi } from '../../shared/chain/service-registry.ts';
import type { Hex } from '../../shared/receipts/hex.ts';

export const contractAbis = {
  aic: aicAbi,
  accounts: accountsAbi,
  asset: assetAbi,
  registry: serviceRegistryAbi,
  ledger: computeLedgerAbi,
  payroll: payrollAbi,
} as const;

export type ContractAbis = typeof contractAbis;
export type ContractName = keyof ContractAbis;
export const contractNames = Object.keys(contractAbis) as ContractName[];

const callBodySchema = z.looseObject({
  contract: z.enum(contractNames as [ContractName, ...ContractName[]]),
  call: z.string(),
  data: z.string().regex(/^0x([0-9a-f]{2})*$/),
});

/** What `Intent.body` holds; more fields may stand beside these (they travel with the intent and are not looked at). */
export interface CallBody extends Record<string, unknown> {
  contract: ContractName;
  /** The function's name, for people. */
  call: string;
  /** Call data. */
  data: Hex;
}

/** `callBody('payroll', 'accept', [operator])`. */
export function callBody<C extends ContractName, F extends ContractFunctionName<ContractAbis[C], 'nonpayable' | 'payable'>>(
  contract: C,
  call: F,
  args: ContractFunctionArgs<ContractAbis[C], 'nonpayable' | 'payable', F>,
): CallBody {
  const parameters = { abi: contractAbis[contract] as Abi, functionName: call, args } as EncodeFunctionDataParameters;
  return { contract, call, data: encodeFunctionData(parameters) };
}

/** Throws a ZodError for a body that `callBody` did not make. */
export function parseCallBody(body: Record<string, unknown>): CallBody {
  return callBodySchema.parse(body) as CallBody;
}

const allErrors: Abi = Object.values(contractAbis).flatMap((abi) => (abi as Abi).filter(({ type }) => type === 'error'));

/** `EpochNotNext(4, 3)`, `Error(reason)`, or the bytes themselves where no contract of ours has that error. */
export function describeRevert(data: Hex): string {
  try {
    const { errorName, args } = decodeErrorResult({ abi: allErrors, data });
    return `${errorName}(${(args ?? []).join(', ')})`;
  } catch {
    return data === '0x' ? 'reverted without a reason' : `reverted with ${data}`;
  }
}
