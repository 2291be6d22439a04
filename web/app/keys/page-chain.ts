/** What the keys screen reads of the chain and sends to it, through the relay's node. */
import { createClient, encodeFunctionData, http, parseAbi } from 'viem';
import { getBalance, readContract, waitForTransactionReceipt } from 'viem/actions';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import type { WalletCall } from '../wallet/connected-wallet.ts';

/** The few functions used here; the contracts' whole ABI would be most of this page. */
const abi = parseAbi([
  'function balanceOf(address account) view returns (uint256)',
  'function transferAndCall(address to, uint256 value) returns (bool)',
  'function withdraw(uint256 amount, address to)',
]);
const pollMs = 1000;
/** A transaction may wait long for its block; after this the person hears so, and can look again. */
const waitMs = 180_000;

const client = createClient({ transport: http('/v1/chain', { retryCount: 1 }), pollingInterval: pollMs });

/** Wei in the wallet itself. */
export interface WalletFunds {
  aic: bigint;
  /** For gas. */
  coins: bigint;
}

export async function readFunds(terms: NetworkTerms, address: Address): Promise<WalletFunds> {
  const [aic, coins] = await Promise.all([
    readContract(client, { address: terms.aic, abi, functionName: 'balanceOf', args: [address] }),
    getBalance(client, { address }),
  ]).catch(unavailable);
  return { aic, coins };
}

/** AIC sent to the ledger with a call is the sender's free balance there: one transaction, no allowance. */
export function depositCall(terms: NetworkTerms, amount: bigint): WalletCall {
  return { to: terms.aic, data: encodeFunctionData({ abi, functionName: 'transferAndCall', args: [terms.ledger, amount] }) };
}

export function withdrawCall(terms: NetworkTerms, amount: bigint, to: Address): WalletCall {
  return { to: terms.ledger, data: encodeFunctionData({ abi, functionName: 'withdraw', args: [amount, to] }) };
}

/** Resolves when it counts. @throws VesselError when the chain refused it or says nothing of it */
export async function waitForBlock(hash: Hex): Promise<void> {
  const receipt = await waitForTransactionReceipt(client, { hash, timeout: waitMs, pollingInterval: pollMs }).catch(unavailable);
  if (receipt.status === 'success') return;
  throw new VesselError('bad_request', 'The chain refused the transaction. Nothing was moved but the gas for it.');
}

function unavailable(cause: unknown): never {
  throw new VesselError('chain_unavailable', undefined, { cause });
}
