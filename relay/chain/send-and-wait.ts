/** One transaction of a key that nobody else uses at the moment, waited for: deployments, the faucet. Not for money: see `ChainSender`. */
import { type PublicClient, type TransactionReceipt, WaitForTransactionReceiptTimeoutError } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { askNode, revertData } from './chain-errors.ts';
import { describeRevert } from './contract-calls.ts';

export interface OneTransaction {
  chainId: number;
  /** Left out: a contract is created. */
  to?: Address;
  data: Hex;
  /** Left out: the key's next one. */
  nonce?: number;
}

export interface WaitOptions {
  confirmations?: number;
  /** How often the node is asked. */
  pollMs?: number;
  timeoutMs?: number;
}

/** Signs with fees of the moment. Throws `bad_request` with the contract's error when it would revert. */
export async function signTransaction(
  client: PublicClient,
  key: PrivateKeyAccount,
  { chainId, to, data, nonce }: OneTransaction,
): Promise<Hex> {
  const call = { account: key.address, data, ...(to ? { to } : {}) };
  try {
    const gas = await askNode(() => client.estimateGas(call));
    const fees = await askNode(() => client.estimateFeesPerGas());
    const next = nonce ?? (await askNode(() => client.getTransactionCount({ address: key.address, blockTag: 'pending' })));
    return await key.signTransaction({
      type: 'eip1559',
      chainId,
      ...(to ? { to } : {}),
      data,
      nonce: next,
      gas: (gas * 5n) / 4n,
      ...fees,
    });
  } catch (cause) {
    const revert = revertData(cause);
    if (revert === null) throw cause;
    throw new VesselError('bad_request', `The contract refuses: ${describeRevert(revert)}.`, { cause });
  }
}

export async function waitForReceipt(
  client: PublicClient,
  hash: Hex,
  { confirmations = 1, pollMs = 1_000, timeoutMs = 600_000 }: WaitOptions = {},
): Promise<TransactionReceipt> {
  try {
    return await client.waitForTransactionReceipt({ hash, confirmations, pollingInterval: pollMs, timeout: timeoutMs });
  } catch (cause) {
    if (!(cause instanceof WaitForTransactionReceiptTimeoutError)) return await askNode(() => Promise.reject(cause));
    throw new VesselError('chain_unavailable', `Transaction ${hash} is in no block yet. Run the command again to go on.`, {
      cause,
    });
  }
}

/** Throws `bad_request` when it reverts. */
export async function sendAndWait(
  client: PublicClient,
  key: PrivateKeyAccount,
  transaction: OneTransaction,
  options: WaitOptions = {},
): Promise<TransactionReceipt> {
  const serializedTransaction = await signTransaction(client, key, transaction);
  const hash = await askNode(() => client.sendRawTransaction({ serializedTransaction }));
  const receipt = await waitForReceipt(client, hash, options);
  if (receipt.status !== 'success') throw new VesselError('bad_request', `Transaction ${hash} was refused by the contract.`);
  return receipt;
}
