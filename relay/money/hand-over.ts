/**
 * Gives everything that a relay's hot key is and has on chain to its successor: its roles, its AIC, its coins. Each step looks at the chain
 * first, so it can be stopped anywhere and begun again. Nobody else may use either key meanwhile.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Abi, encodeFunctionData, type PublicClient, parseAbi } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { accountsAbi } from '../../shared/chain/accounts.ts';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import { serviceRegistryAbi } from '../../shared/chain/service-registry.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { askNode } from '../chain/chain-errors.ts';
import { sendAndWait, waitForReceipt } from '../chain/send-and-wait.ts';

export interface HandOver {
  client: PublicClient;
  chain: Chain;
  old: PrivateKeyAccount;
  next: PrivateKeyAccount;
  /** Whose payroll the keys publish: the old key itself, or an account that names the hot key as its publisher. */
  operator: Address;
  /** Of an operator that is not the old key; left out: it sends its part itself. */
  operatorKey?: PrivateKeyAccount;
  pollMs: number;
  signal: AbortSignal;
  /** Called with what was just found done or was done. */
  onProgress: (note: string) => void;
}

const ownableAbi = parseAbi([
  'function owner() view returns (address)',
  'function pendingOwner() view returns (address)',
  'function transferOwnership(address newOwner)',
  'function acceptOwnership()',
]);
const tokenAbi = parseAbi(['function transfer(address to, uint256 value) returns (bool)']);
const owned = ['aic', 'registry'] as const;
/**
 * Coins that stay behind: twice what the transfer may cost, and a hundredth, as some chains take more than they say (for the chain below
 * them). Less than twice that is not worth moving.
 */
const keptFees = 2n;
const keptPart = 100n;

/** Throws `forbidden` with what the operator has to send, as long as it has not; nothing was moved then. */
export async function handOver(parts: HandOver): Promise<void> {
  await untilPoolIsEmpty(parts);
  await handOverPublisher(parts);
  await handOverPayout(parts);
  await handOverNetworkFee(parts);
  await offerOwnership(parts);
  await moveAic(parts);
  await moveCoins(parts);
  await acceptOwnership(parts);
}

/** A transaction of a run that was killed may still be on its way: seen twice, it would be sent twice. */
async function untilPoolIsEmpty({ client, old, next, pollMs, signal, onProgress }: HandOver): Promise<void> {
  for (const { address } of [old, next]) {
    const count = (blockTag: 'latest' | 'pending') => askNode(() => client.getTransactionCount({ address, blockTag }));
    while ((await count('pending')) > (await count('latest'))) {
      onProgress(`waiting for a transaction of ${address} to be mined`);
      await wait(pollMs, undefined, { signal });
    }
  }
}

async function handOverPublisher(parts: HandOver): Promise<void> {
  const { chain, next, operator, onProgress } = parts;
  const to = chain.addresses.payroll;
  const publisher = lower(next);
  if ((await chain.publisherOf(operator)) !== publisher) {
    const data = encodeFunctionData({ abi: payrollAbi, functionName: 'setPublisher', args: [publisher] });
    await asOperator(parts, to, data, `name the new key ${publisher} as its publisher (Payroll.setPublisher)`);
  }
  onProgress(`${publisher} publishes the payroll of ${operator}`);
}

/** What vouchers pay the operator goes to its payout address: to the hot key, which funds the payroll with it, unless it chose another. */
async function handOverPayout(parts: HandOver): Promise<void> {
  const { chain, old, next, operator, onProgress } = parts;
  const to = chain.addresses.accounts;
  const before = lower(old);
  const pay = (account: Address) =>
    encodeFunctionData({ abi: accountsAbi, functionName: 'setPayout', args: [account, lower(next)] });
  const ofOld = await chain.payoutOf(before);
  if (ofOld === null || ofOld === before) await send(parts, old, to, pay(before));
  if (operator !== before && (await chain.payoutOf(operator)) === before)
    await asOperator(parts, to, pay(operator), 'name the new key as its payout address (Accounts.setPayout)');
  onProgress(`earnings of ${operator} are paid to ${(await chain.payoutOf(operator)) ?? 'nobody yet'}`);
}

async function handOverNetworkFee(parts: HandOver): Promise<void> {
  const { chain, old, next, onProgress } = parts;
  if ((await chain.network()) !== lower(old) || (await ownerOf(parts, 'registry')) !== lower(old)) return;
  const args = [await chain.networkFee(), lower(next)] as const;
  const data = encodeFunctionData({ abi: serviceRegistryAbi, functionName: 'setNetworkFee', args });
  await send(parts, old, chain.addresses.registry, data);
  onProgress(`${lower(next)} receives the network's fee`);
}

async function offerOwnership(parts: HandOver): Promise<void> {
  const { chain, old, next } = parts;
  for (const name of owned) {
    if ((await ownerOf(parts, name)) !== lower(old) || (await ownerOf(parts, name, 'pendingOwner')) === lower(next)) continue;
    const data = encodeFunctionData({ abi: ownableAbi, functionName: 'transferOwnership', args: [lower(next)] });
    await send(parts, old, chain.addresses[name], data);
  }
}

async function acceptOwnership(parts: HandOver): Promise<void> {
  const { chain, next, onProgress } = parts;
  for (const name of owned) {
    if ((await ownerOf(parts, name, 'pendingOwner')) !== lower(next)) continue;
    const data = encodeFunctionData({ abi: ownableAbi, functionName: 'acceptOwnership' });
    await send(parts, next, chain.addresses[name], data);
    onProgress(`${lower(next)} owns ${name}`);
  }
}

async function moveAic(parts: HandOver): Promise<void> {
  const { chain, old, next, onProgress } = parts;
  const amount = await chain.aicOf(old.address);
  if (amount > 0n) {
    const data = encodeFunctionData({ abi: tokenAbi, functionName: 'transfer', args: [lower(next), amount] });
    await send(parts, old, chain.addresses.aic, data);
  }
  onProgress(`AIC moved: ${await chain.aicOf(next.address)} wei at ${lower(next)}`);
}

async function moveCoins({ client, chain, old, next, pollMs, onProgress }: HandOver): Promise<void> {
  const { confirmations, place } = chain;
  const to = lower(next);
  const balance = await chain.coinsOf(old.address);
  if (balance > 0n) {
    const fees = await askNode(() => client.estimateFeesPerGas());
    const gas = await askNode(() => client.estimateGas({ account: old.address, to, value: 1n }));
    const kept = keptFees * gas * fees.maxFeePerGas + balance / keptPart;
    if (balance > 2n * kept) {
      const nonce = await askNode(() => client.getTransactionCount({ address: old.address, blockTag: 'pending' }));
      const transaction = { type: 'eip1559', chainId: place.chainId, to, value: balance - kept, nonce, gas, ...fees } as const;
      const serializedTransaction = await old.signTransaction(transaction);
      const hash = await askNode(() => client.sendRawTransaction({ serializedTransaction }));
      await waitForReceipt(client, hash, { confirmations, pollMs });
    }
  }
  onProgress(`coins moved: ${await chain.coinsOf(to)} wei at ${to}`);
}

async function asOperator(parts: HandOver, to: Address, data: Hex, what: string): Promise<void> {
  const { old, operator, operatorKey } = parts;
  const key = operator === lower(old) ? old : operatorKey;
  if (key) return send(parts, key, to, data);
  throw new VesselError(
    'forbidden',
    `The operator ${operator} has to ${what}: let its wallet send ${data} to ${to}, or give its key with --operator-key-file. Then run this again.`,
  );
}

async function send({ client, chain, pollMs }: HandOver, key: PrivateKeyAccount, to: Address, data: Hex): Promise<void> {
  const { confirmations, place } = chain;
  await sendAndWait(client, key, { chainId: place.chainId, to, data }, { confirmations, pollMs });
}

async function ownerOf(
  { client, chain }: HandOver,
  name: (typeof owned)[number],
  functionName: 'owner' | 'pendingOwner' = 'owner',
): Promise<Address> {
  const address = chain.addresses[name];
  const found = await askNode(() => client.readContract({ address, abi: ownableAbi as Abi, functionName }));
  return (found as string).toLowerCase() as Address;
}

function lower({ address }: PrivateKeyAccount): Address {
  return address.toLowerCase() as Address;
}
