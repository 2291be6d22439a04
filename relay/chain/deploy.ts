/**
 * Puts the contracts on a chain, in order, with a journal: nonce and hash are written down before a transaction is sent, so a
 * deployment that was interrupted anywhere goes on where it was and never makes a contract twice. Done again, it does nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Abi, encodeDeployData, getContractAddress, keccak256, type PublicClient, type TransactionReceipt } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { z } from 'zod';
import { accountsBytecode, accountsRuntime } from '../../shared/chain/accounts.ts';
import { aicBytecode, aicRuntime } from '../../shared/chain/aic.ts';
import { assetBytecode, assetRuntime } from '../../shared/chain/asset.ts';
import { computeLedgerBytecode, computeLedgerRuntime } from '../../shared/chain/compute-ledger.ts';
import { payrollBytecode, payrollRuntime } from '../../shared/chain/payroll.ts';
import { serviceRegistryBytecode, serviceRegistryRuntime } from '../../shared/chain/service-registry.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { TextStore } from '../storage/text-store.ts';
import type { ChainAddresses } from './chain.ts';
import { askNode, ifUnknown } from './chain-errors.ts';
import { type ContractName, contractAbis } from './contract-calls.ts';
import { type CodeProof, isCodeOf } from './deployed-code.ts';
import { signTransaction } from './send-and-wait.ts';

export interface DeploySettings {
  /** Owner of AIC (mints up to the cap) and of the ServiceRegistry (sets fees, lists service types). */
  owner: Address;
  /** Of AIC at the start, in wei; the owner holds it. */
  initialSupply: bigint;
  /** May forfeit what a pending root adds; zero address: nothing is ever forfeited. */
  court: Address;
  /** Receives the network's fee. */
  networkAccount: Address;
  /** Basis points of the compute price. */
  networkFee: number;
  /** Seconds. */
  claimWindow: number;
  payrollWindow: number;
}

export interface Deployment {
  chainId: number;
  addresses: ChainAddresses;
  firstBlock: bigint;
  /** ABI-encoded constructor arguments, for block explorers. */
  constructorArguments: Record<ContractName, Hex>;
}

export interface DeployOptions {
  confirmations?: number;
  pollMs?: number;
  onProgress?: (note: string) => void;
}

const minedTimeoutMs = 600_000;

/** In this order: each may name those before it. */
export const deployOrder = ['aic', 'accounts', 'asset', 'registry', 'ledger', 'payroll'] as const satisfies ContractName[];

export const contractCode: Record<ContractName, { bytecode: Hex; runtime: CodeProof }> = {
  aic: { bytecode: aicBytecode, runtime: aicRuntime },
  accounts: { bytecode: accountsBytecode, runtime: accountsRuntime },
  asset: { bytecode: assetBytecode, runtime: assetRuntime },
  registry: { bytecode: serviceRegistryBytecode, runtime: serviceRegistryRuntime },
  ledger: { bytecode: computeLedgerBytecode, runtime: computeLedgerRuntime },
  payroll: { bytecode: payrollBytecode, runtime: payrollRuntime },
};

const hex = z.string().regex(/^0x([0-9a-f]{2})*$/) as unknown as z.ZodType<Hex>;
const journalSchema = z.strictObject({
  format: z.literal('vessel-deployment'),
  version: z.literal(1),
  chainId: z.number().int().positive(),
  /** Hash of the chain's first block: another chain with the same id is another chain. */
  genesis: hex,
  firstBlock: z.number().int().nonnegative(),
  deployer: hex,
  /** In order of deployment. The last one may be under way; the others are there. */
  contracts: z.array(
    z.strictObject({
      name: z.enum(deployOrder),
      address: hex,
      nonce: z.number().int().nonnegative(),
      constructorArguments: hex,
      hashes: z.array(hex),
    }),
  ),
  isComplete: z.boolean(),
});
type Journal = z.infer<typeof journalSchema>;

/** The deployment that a file holds; null when there is none or it was interrupted. Throws `forbidden` for another kind of file. */
export async function readDeployment(store: TextStore): Promise<Deployment | null> {
  const journal = await readJournal(store);
  return journal?.isComplete ? toDeployment(journal) : null;
}

/**
 * Deploys what is not there yet. `store` holds the journal, which ends up as the addresses file. Throws `chain_unavailable` when
 * interrupted by the node (run it again), `version_mismatch` when other code than this version's is at an address of the journal.
 */
export async function deployContracts(
  client: PublicClient,
  key: PrivateKeyAccount,
  settings: DeploySettings,
  store: TextStore,
  options: DeployOptions = {},
): Promise<Deployment> {
  const chainId = await askNode(() => client.getChainId());
  const { hash: genesis } = await askNode(() => client.getBlock({ blockNumber: 0n }));
  const known = await readJournal(store);
  const isSameChain =
    known !== null && known.chainId === chainId && (known.genesis === genesis || (await hasBegun(client, known)));
  if (isSameChain && known.isComplete) {
    await requireOurCode(client, known);
    return toDeployment(known);
  }
  const deployer = key.address.toLowerCase() as Address;
  if (isSameChain && known.deployer !== deployer) {
    throw new VesselError(
      'forbidden',
      `This deployment was begun by ${known.deployer}: go on with that key, not with ${deployer}.`,
    );
  }
  const firstBlock = Number(await askNode(() => client.getBlockNumber({ cacheTime: 0 })));
  const journal: Journal = isSameChain
    ? known
    : { format: 'vessel-deployment', version: 1, chainId, genesis, firstBlock, deployer, contracts: [], isComplete: false };
  for (const name of deployOrder) await deployOne(client, key, name, settings, journal, store, options);
  journal.isComplete = true;
  await writeJournal(store, journal);
  return toDeployment(journal);
}

/** anvil makes a new first block whenever it loads its state: what stands at our addresses tells the same chain better. */
async function hasBegun(client: PublicClient, { contracts }: Journal): Promise<boolean> {
  const [first] = contracts;
  if (!first) return false;
  return (await askNode(() => client.getCode({ address: first.address as Address }))) !== undefined;
}

async function deployOne(
  client: PublicClient,
  key: PrivateKeyAccount,
  name: ContractName,
  settings: DeploySettings,
  journal: Journal,
  store: TextStore,
  { confirmations = 1, pollMs = 1_000, onProgress }: DeployOptions,
): Promise<void> {
  let step = journal.contracts.find((contract) => contract.name === name);
  const count = await askNode(() => client.getTransactionCount({ address: key.address, blockTag: 'latest' }));
  if (step !== undefined && (await hasCode(client, step.address))) {
    if (step !== journal.contracts.at(-1)) return;
  } else if (step === undefined || count > step.nonce) {
    // Never begun, or its nonce went to something else (the key was used elsewhere): begin anew.
    const { bytecode } = contractCode[name];
    const encoded = encodeDeployData({ abi: contractAbis[name] as Abi, bytecode, args: argumentsOf(name, settings, journal) });
    const address = getContractAddress({ from: key.address, nonce: BigInt(count) }).toLowerCase() as Address;
    const constructorArguments = `0x${encoded.slice(bytecode.length)}` as Hex;
    step = { name, address, nonce: count, constructorArguments, hashes: [] };
    journal.contracts = [...journal.contracts.filter((contract) => contract.name !== name), step];
  }
  if (!(await hasCode(client, step.address))) {
    const data = `${contractCode[name].bytecode}${step.constructorArguments.slice(2)}` as Hex;
    const serializedTransaction = await signTransaction(client, key, { chainId: journal.chainId, data, nonce: step.nonce });
    step.hashes.push(keccak256(serializedTransaction));
    await writeJournal(store, journal);
    // "Known already" and "nonce too low" mean that an earlier try went through; the receipts tell.
    await client.sendRawTransaction({ serializedTransaction }).catch(() => undefined);
  }
  const receipt = await minedOf(client, step.hashes, { confirmations, pollMs });
  if (receipt?.status === 'reverted') throw new VesselError('bad_request', `The constructor of ${name} refuses its arguments.`);
  if (!isCodeOf(await askNode(() => client.getCode({ address: step.address })), contractCode[name].runtime)) {
    throw new VesselError('internal', `The code of ${name} at ${step.address} is not what was sent.`);
  }
  onProgress?.(`${name}  ${step.address}`);
}

/** The receipt of whichever of these gets into a block: they share a nonce, so one of them at most does. */
async function minedOf(
  client: PublicClient,
  hashes: readonly Hex[],
  { confirmations, pollMs }: { confirmations: number; pollMs: number },
): Promise<TransactionReceipt | null> {
  const deadline = performance.now() + minedTimeoutMs;
  while (hashes.length > 0) {
    for (const hash of hashes) {
      const receipt = await askNode(() => client.getTransactionReceipt({ hash }).catch(ifUnknown));
      if (receipt === null) continue;
      const head = await askNode(() => client.getBlockNumber({ cacheTime: 0 }));
      if (head - receipt.blockNumber + 1n >= BigInt(confirmations)) return receipt;
    }
    if (performance.now() > deadline) {
      throw new VesselError(
        'chain_unavailable',
        `Transaction ${hashes.at(-1)} is in no block yet. Run the command again to go on.`,
      );
    }
    await wait(pollMs);
  }
  return null;
}

function argumentsOf(name: ContractName, settings: DeploySettings, journal: Journal): unknown[] {
  const at = (other: ContractName) => journal.contracts.find((contract) => contract.name === other)!.address;
  switch (name) {
    case 'aic':
      return [settings.owner, settings.owner, settings.initialSupply];
    case 'accounts':
    case 'asset':
      return [];
    case 'registry':
      return [settings.owner, at('asset'), settings.networkFee, settings.networkAccount];
    case 'ledger':
      return [at('aic'), at('accounts'), settings.claimWindow];
    case 'payroll':
      return [at('aic'), at('accounts'), at('ledger'), settings.court, settings.payrollWindow];
  }
}

async function requireOurCode(client: PublicClient, { contracts }: Journal): Promise<void> {
  for (const { name, address } of contracts) {
    if (isCodeOf(await askNode(() => client.getCode({ address })), contractCode[name].runtime)) continue;
    throw new VesselError(
      'version_mismatch',
      `The contract ${name} at ${address} is of another version of Vessel. Deploy anew into another data folder, or forget the local chain with vessel chain reset.`,
    );
  }
}

async function hasCode(client: PublicClient, address: Address): Promise<boolean> {
  return ((await askNode(() => client.getCode({ address }))) ?? '0x') !== '0x';
}

async function readJournal(store: TextStore): Promise<Journal | null> {
  const text = await store.read();
  if (text === null) return null;
  try {
    return journalSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new VesselError('forbidden', 'The file with the addresses is not one that vessel chain deploy wrote.', { cause });
  }
}

function writeJournal(store: TextStore, journal: Journal): Promise<void> {
  return store.write(`${JSON.stringify(journal, null, 2)}\n`);
}

function toDeployment({ chainId, firstBlock, contracts }: Journal): Deployment {
  const field = <T>(pick: (contract: Journal['contracts'][number]) => T) =>
    Object.fromEntries(contracts.map((contract) => [contract.name, pick(contract)])) as Record<ContractName, T>;
  return {
    chainId,
    firstBlock: BigInt(firstBlock),
    addresses: field(({ address }) => address),
    constructorArguments: field((contract) => contract.constructorArguments),
  };
}
