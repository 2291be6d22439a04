/**
 * This machine's own chain with the contracts on it and everyone funded, as `vessel start` brings it up. Folder, beside what LocalChain keeps:
 *
 *   dev-key          owns AIC and the registry, is the court, fills the faucet
 *   network-key      receives the network's fee
 *   owner-key        owns the models that come with Vessel
 *   demo-payer-key   a wallet with AIC, to try paying with
 */
import { join } from 'node:path';
import { concatHex, encodeFunctionData, erc20Abi, type PublicClient, parseEther } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { aicAbi } from '../../shared/chain/aic.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { FileStore } from '../storage/file-store.ts';
import type { Chain } from './chain.ts';
import { deployContracts } from './deploy.ts';
import { openHotKey } from './hot-key.ts';
import { LocalChain, localChainId, setCoins } from './local-chain.ts';
import { openChain } from './open-chain.ts';
import type { Faucet, RelayChain } from './relay-chain.ts';
import { sendAndWait } from './send-and-wait.ts';
import { openClient } from './viem-chain.ts';

const coins = parseEther('1000');
/** A tenth of what may ever exist. */
const initialSupply = parseEther('1000000000');
/** What the operator can owe before it has collected anything. */
const payrollFloat = parseEther('1000000');
const operatorAic = parseEther('10000');
const payerAic = parseEther('10000');
const faucetCoins = parseEther('1');
const faucetAic = parseEther('1000');

/** Short, so that a first look sees an epoch close. */
const payrollWindowSeconds = 20;
const claimWindowSeconds = 3_600;
const networkFeeBasisPoints = 500;
const pollMs = 100;

export interface LocalNetworkFolders {
  /** Of the chain and its development keys. */
  chain: string;
  /** The journal of the deployment. */
  addresses: string;
  /** The relay's key. */
  hotKey: string;
}

export interface LocalNetworkOptions {
  signal?: AbortSignal;
  onNote?: (note: string) => void;
  program?: string | null;
}

export interface LocalNetwork {
  readonly relayChain: RelayChain;
  readonly payer: PrivateKeyAccount;
  readonly dev: PrivateKeyAccount;
  /** Whose the models are that come along. */
  readonly owner: PrivateKeyAccount;
  close(): Promise<void>;
}

/** Throws `chain_unavailable` where this platform has no local chain. */
export async function openLocalNetwork(folders: LocalNetworkFolders, options: LocalNetworkOptions = {}): Promise<LocalNetwork> {
  const local = await LocalChain.start(folders.chain, {
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.onNote ? { onExit: options.onNote } : {}),
    ...(options.program === undefined ? {} : { program: options.program }),
  });
  try {
    const client = openClient(local.url);
    const [dev, network, owner, payer, hot] = await Promise.all([
      openHotKey(join(folders.chain, 'dev-key')),
      openHotKey(join(folders.chain, 'network-key')),
      openHotKey(join(folders.chain, 'owner-key')),
      openHotKey(join(folders.chain, 'demo-payer-key')),
      openHotKey(folders.hotKey),
    ]);
    for (const { address } of [dev, network, owner, payer, hot]) await refillCoins(client, local.url, address);
    const settings = {
      owner: dev.address,
      initialSupply,
      court: dev.address,
      networkAccount: network.address,
      networkFee: networkFeeBasisPoints,
      claimWindow: claimWindowSeconds,
      payrollWindow: payrollWindowSeconds,
    };
    const deployment = await deployContracts(client, dev, settings, new FileStore(folders.addresses), { pollMs });
    const faucet = openFaucet(client, local.url, dev, deployment.addresses.aic);
    const relayChain = openChain({
      rpcUrl: local.url,
      client,
      deployment,
      key: hot,
      confirmations: 1,
      faucet,
      pollMs,
      ...(options.onNote ? { onTrouble: (error) => options.onNote?.(error.message) } : {}),
    });
    await fund(client, relayChain.chain, dev, { operator: relayChain.operator, payer: payer.address });
    return { relayChain, payer, dev, owner, close: () => local.close() };
  } catch (error) {
    await local.close();
    throw error;
  }
}

/** 1 coin and 1,000 AIC a time, one request after the other. */
export function openFaucet(client: PublicClient, url: string, dev: PrivateKeyAccount, aic: Address): Faucet {
  let last: Promise<unknown> = Promise.resolve();
  const give = async (to: Address) => {
    await setCoins(url, to, (await client.getBalance({ address: to })) + faucetCoins);
    await transfer(client, dev, aic, to, faucetAic);
    return { coins: faucetCoins, aic: faucetAic };
  };
  return {
    give(to) {
      const given = last.then(() => give(to));
      last = given.catch(() => undefined);
      return given;
    },
  };
}

async function refillCoins(client: PublicClient, url: string, address: Address): Promise<void> {
  if ((await client.getBalance({ address })) < coins / 10n) await setCoins(url, address, coins);
}

/** Each step looks first whether it was done: a start that was interrupted is made good by the next. */
async function fund(
  client: PublicClient,
  chain: Chain,
  dev: PrivateKeyAccount,
  { operator, payer }: { operator: Address; payer: Address },
): Promise<void> {
  const { aic, payroll } = chain.addresses;
  if ((await chain.fundedOf(operator)) === 0n) {
    const data = encodeFunctionData({
      abi: aicAbi,
      functionName: 'transferAndCall',
      args: [payroll, payrollFloat, concatHex([operator as Hex])],
    });
    await sendAndWait(client, dev, { chainId: localChainId, to: aic, data }, { pollMs });
  }
  if ((await chain.aicOf(operator)) === 0n) await transfer(client, dev, aic, operator, operatorAic);
  if ((await chain.aicOf(payer)) === 0n && (await chain.balanceOf(payer)) === 0n)
    await transfer(client, dev, aic, payer, payerAic);
}

async function transfer(client: PublicClient, dev: PrivateKeyAccount, aic: Address, to: Address, amount: bigint): Promise<void> {
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, amount] });
  await sendAndWait(client, dev, { chainId: localChainId, to: aic, data }, { pollMs });
}
