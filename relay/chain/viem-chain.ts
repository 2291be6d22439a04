/** `Chain` over JSON-RPC. */
import {
  type Abi,
  BaseError,
  createPublicClient,
  decodeErrorResult,
  erc20Abi,
  erc721Abi,
  http,
  type Log,
  type PublicClient,
  parseEventLogs,
  zeroAddress,
} from 'viem';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import type {
  AssetParent,
  AssetState,
  AuthorizationState,
  Chain,
  ChainAddresses,
  ChainEvent,
  ChannelState,
  EventPage,
  RegistryEntry,
  RootState,
} from './chain.ts';
import { askNode, chainUnavailable, ifUnknown, revertData } from './chain-errors.ts';
import { type ContractName, contractAbis, contractNames } from './contract-calls.ts';

export interface ViemChainOptions {
  chainId: number;
  addresses: ChainAddresses;
  confirmations?: number;
  firstBlock?: bigint;
}

/** Public nodes refuse log queries over more blocks than a few thousand. */
const maxBlocksPerPage = 2_000n;
/** A node that takes longer is down for us; a try that fails is repeated by whoever asked. */
const rpcTimeoutMs = 10_000;
const kinds = ['data', 'dataset', 'model', 'trained-ai'] as const;

/** A client that keeps nothing between calls. */
export function openClient(rpcUrl: string): PublicClient {
  return createPublicClient({ transport: http(rpcUrl, { timeout: rpcTimeoutMs, retryCount: 1 }), cacheTime: 0 });
}

export class ViemChain implements Chain {
  readonly place: ChainPlace;
  readonly addresses: ChainAddresses;
  readonly confirmations: number;
  readonly firstBlock: bigint;
  readonly #client: PublicClient;
  /** What every question is asked of: the newest block, or one block. */
  readonly #block: { blockNumber?: bigint };

  constructor(
    client: PublicClient,
    { chainId, addresses, confirmations = 1, firstBlock = 0n }: ViemChainOptions,
    block: { blockNumber?: bigint } = {},
  ) {
    this.addresses = addresses;
    this.confirmations = confirmations;
    this.firstBlock = firstBlock;
    this.place = { chainId, ledger: addresses.ledger, payroll: addresses.payroll, accounts: addresses.accounts };
    this.#client = client;
    this.#block = block;
  }

  async confirmed(): Promise<ViemChain> {
    const blockNumber = await this.confirmedBlock();
    if (blockNumber < 0n) throw chainUnavailable(new Error('it has too few blocks'));
    const { place, addresses, confirmations, firstBlock } = this;
    return new ViemChain(this.#client, { chainId: place.chainId, addresses, confirmations, firstBlock }, { blockNumber });
  }

  async callOf(transaction: Hex): Promise<{ contract: ContractName; data: Hex } | null> {
    const found = await askNode(() => this.#client.getTransaction({ hash: transaction }).catch(ifUnknown));
    const contract = found?.to && contractNames.find((name) => this.addresses[name] === lower(found.to!));
    return found && contract ? { contract, data: found.input } : null;
  }

  now(): Promise<number> {
    return askNode(async () => {
      // A chain that makes blocks only when there is something in them stands still otherwise: its pending block has the time.
      const pending = await this.#client.getBlock({ blockTag: 'pending' }).catch(() => null);
      const latest = await this.#client.getBlock();
      return Number(pending !== null && pending.timestamp > latest.timestamp ? pending.timestamp : latest.timestamp);
    });
  }

  async confirmedBlock(): Promise<bigint> {
    if (this.#block.blockNumber !== undefined) return this.#block.blockNumber;
    const newest = await askNode(() => this.#client.getBlockNumber({ cacheTime: 0 }));
    const block = newest - BigInt(this.confirmations - 1);
    return block < 0n ? -1n : block;
  }

  gasPrice(): Promise<bigint> {
    return askNode(() => this.#client.getGasPrice());
  }

  coinsOf(address: Address): Promise<bigint> {
    return askNode(() => this.#client.getBalance({ address, ...this.#block }));
  }

  aicOf(owner: Address): Promise<bigint> {
    const address = this.addresses.aic;
    return askNode(() =>
      this.#client.readContract({ ...this.#block, address, abi: erc20Abi, functionName: 'balanceOf', args: [owner] }),
    );
  }

  aicAllowance(owner: Address, spender: Address): Promise<bigint> {
    const address = this.addresses.aic;
    return askNode(() =>
      this.#client.readContract({ ...this.#block, address, abi: erc20Abi, functionName: 'allowance', args: [owner, spender] }),
    );
  }

  balanceOf(payer: Address): Promise<bigint> {
    return askNode(() => this.#client.readContract({ ...this.#at('ledger'), functionName: 'balanceOf', args: [payer] }));
  }

  authorizationOf(payer: Address, sessionKey: Address): Promise<AuthorizationState> {
    return askNode(() =>
      this.#client.readContract({ ...this.#at('ledger'), functionName: 'authorizationOf', args: [payer, sessionKey] }),
    );
  }

  remainingOf(payer: Address, sessionKey: Address): Promise<bigint> {
    return askNode(() =>
      this.#client.readContract({ ...this.#at('ledger'), functionName: 'remainingOf', args: [payer, sessionKey] }),
    );
  }

  async channelOf(payer: Address, sessionKey: Address, payee: Address): Promise<ChannelState> {
    const [claimed, paidOut] = await askNode(() =>
      this.#client.readContract({ ...this.#at('ledger'), functionName: 'channelOf', args: [payer, sessionKey, payee] }),
    );
    return { claimed, paidOut };
  }

  claimWindow(): Promise<number> {
    return askNode(() => this.#client.readContract({ ...this.#at('ledger'), functionName: 'claimWindow' }));
  }

  currentOf(operator: Address): Promise<RootState> {
    return askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'currentOf', args: [operator] }));
  }

  pendingOf(operator: Address): Promise<RootState> {
    return askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'pendingOf', args: [operator] }));
  }

  async paidOf(operator: Address, account: Address): Promise<{ paid: bigint; forfeited: bigint }> {
    const [paid, forfeited] = await askNode(() =>
      this.#client.readContract({ ...this.#at('payroll'), functionName: 'paidOf', args: [operator, account] }),
    );
    return { paid, forfeited };
  }

  fundedOf(operator: Address): Promise<bigint> {
    return askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'fundedOf', args: [operator] }));
  }

  spentOf(operator: Address): Promise<bigint> {
    return askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'spentOf', args: [operator] }));
  }

  async publisherOf(operator: Address): Promise<Address> {
    return lower(
      await askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'publisherOf', args: [operator] })),
    );
  }

  payrollWindow(): Promise<number> {
    return askNode(() => this.#client.readContract({ ...this.#at('payroll'), functionName: 'window' }));
  }

  async payoutOf(account: Address): Promise<Address | null> {
    const payout = await askNode(() =>
      this.#client.readContract({ ...this.#at('accounts'), functionName: 'payoutOf', args: [account] }),
    );
    return payout === zeroAddress ? null : lower(payout);
  }

  nonceOf(account: Address): Promise<bigint> {
    return askNode(() => this.#client.readContract({ ...this.#at('accounts'), functionName: 'nonceOf', args: [account] }));
  }

  isKeyOf(account: Address, key: Address): Promise<boolean> {
    return askNode(() => this.#client.readContract({ ...this.#at('accounts'), functionName: 'isKeyOf', args: [account, key] }));
  }

  async ownerOf(asset: bigint): Promise<Address | null> {
    const address = this.addresses.asset;
    const owner = await orNull(
      () => this.#client.readContract({ ...this.#block, address, abi: erc721Abi, functionName: 'ownerOf', args: [asset] }),
      'ERC721NonexistentToken',
      'TokenDoesNotExist',
      'UnknownParent',
    );
    return owner && lower(owner);
  }

  async assetOf(asset: bigint): Promise<AssetState | null> {
    if ((await this.ownerOf(asset)) === null) return null;
    const [kind, maker, digest, useRoyalty, saleRoyalty] = await askNode(() =>
      this.#client.readContract({ ...this.#at('asset'), functionName: 'assetOf', args: [asset] }),
    );
    return { kind: kinds[kind]!, maker: lower(maker), digest, useRoyalty, saleRoyalty };
  }

  async parentsOf(asset: bigint): Promise<AssetParent[]> {
    const parents = await askNode(() =>
      this.#client.readContract({ ...this.#at('asset'), functionName: 'parentsOf', args: [asset] }),
    );
    return [...parents];
  }

  assetCount(): Promise<bigint> {
    return askNode(() => this.#client.readContract({ ...this.#at('asset'), functionName: 'count' }));
  }

  entryOf(id: Hex): Promise<RegistryEntry | null> {
    return orNull(() => this.#client.readContract({ ...this.#at('registry'), functionName: 'entryOf', args: [id] }), 'NotListed');
  }

  networkFee(): Promise<number> {
    return askNode(() => this.#client.readContract({ ...this.#at('registry'), functionName: 'networkFee' }));
  }

  async network(): Promise<Address> {
    return lower(await askNode(() => this.#client.readContract({ ...this.#at('registry'), functionName: 'network' })));
  }

  async events(fromBlock: bigint): Promise<EventPage> {
    const confirmed = await this.confirmedBlock();
    const from = fromBlock < this.firstBlock ? this.firstBlock : fromBlock;
    if (from > confirmed) return { events: [], next: from, isCaughtUp: true };
    const last = from + maxBlocksPerPage - 1n;
    const to = last < confirmed ? last : confirmed;
    const address = contractNames.map((name) => this.addresses[name]);
    const logs = await askNode(() => this.#client.getLogs({ address, fromBlock: from, toBlock: to }));
    return { events: logs.flatMap((log) => this.#decode(log)), next: to + 1n, isCaughtUp: to === confirmed };
  }

  /** Empty for a log that the contract's own interface does not know. */
  #decode(log: Log<bigint, number, false>): ChainEvent[] {
    const contract = contractNames.find((name) => this.addresses[name] === lower(log.address))!;
    return parseEventLogs({ abi: contractAbis[contract] as Abi, logs: [log] }).map(
      ({ eventName, args, blockNumber, blockHash, transactionHash, logIndex }) =>
        ({ contract, name: eventName, args, blockNumber, blockHash, transactionHash, logIndex }) as ChainEvent,
    );
  }

  #at<C extends ContractName>(contract: C): { address: Address; abi: (typeof contractAbis)[C]; blockNumber?: bigint } {
    return { address: this.addresses[contract], abi: contractAbis[contract], ...this.#block };
  }
}

/** null when the call reverts with one of these errors; any other revert is the caller's business. */
async function orNull<T>(call: () => Promise<T>, ...errors: string[]): Promise<T | null> {
  try {
    return await askNode(call);
  } catch (error) {
    const data = revertData(error);
    if (data !== null && errors.includes(errorName(data))) return null;
    throw error;
  }
}

const knownErrors = ([...Object.values(contractAbis).flat()] as Abi).filter(({ type }) => type === 'error');

function errorName(data: Hex): string {
  try {
    return decodeErrorResult({ abi: knownErrors, data }).errorName;
  } catch (cause) {
    return cause instanceof BaseError ? cause.name : '';
  }
}

function lower(address: Address): Address {
  return address.toLowerCase() as Address;
}
