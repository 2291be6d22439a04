/**
 * What the relay reads from the chain. Answers are of the newest block, events only of blocks with the configured number of
 * confirmations. Everything throws VesselError `chain_unavailable` when the node does not answer; asking again is safe.
 */
import type { ContractEventArgsFromTopics, ContractEventName } from 'viem';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import type { ContractAbis, ContractName } from './contract-calls.ts';

/** Where each contract is. */
export type ChainAddresses = Record<ContractName, Address>;

/** Amounts in wei, times in unix seconds. */
export interface AuthorizationState {
  cap: bigint;
  spent: bigint;
  expiry: number;
  closed: boolean;
}

export interface ChannelState {
  claimed: bigint;
  paidOut: bigint;
}

/** An epoch's root; `root` is 32 zero bytes where there is none. */
export interface RootState {
  root: Hex;
  total: bigint;
  epoch: number;
  readyAt: number;
}

export interface AssetState {
  kind: 'data' | 'dataset' | 'model' | 'trained-ai';
  maker: Address;
  /** sha2-256 of the content. */
  digest: Hex;
  /** Basis points. */
  useRoyalty: number;
  saleRoyalty: number;
}

export interface AssetParent {
  id: bigint;
  /** Basis points of the child's use royalty. */
  share: number;
}

export interface RegistryEntry {
  /** 0n: none. */
  asset: bigint;
  version: number;
  networkFee: number;
  /** Wei per 1,000 units. */
  priceFloor: bigint;
  active: boolean;
}

interface EventPlace {
  blockNumber: bigint;
  blockHash: Hex;
  transactionHash: Hex;
  /** Within its block. */
  logIndex: number;
}

/** One log of a contract of ours; `contract` and `name` tell which `args` it has. */
export type ChainEvent = {
  [C in ContractName]: {
    [N in ContractEventName<ContractAbis[C]>]: EventPlace & {
      contract: C;
      name: N;
      args: ContractEventArgsFromTopics<ContractAbis[C], N>;
    };
  }[ContractEventName<ContractAbis[C]>];
}[ContractName];

export interface EventPage {
  /** In the order of the chain. */
  events: ChainEvent[];
  /** First block not yet read: ask from here next time. Equal to what was asked when there is nothing new. */
  next: bigint;
  /** True when `next` is beyond the newest confirmed block: nothing more to read for now. */
  isCaughtUp: boolean;
}

export interface Chain {
  readonly place: ChainPlace;
  readonly addresses: ChainAddresses;
  /** Blocks on top, a transaction's own included, before it counts; at least 1. */
  readonly confirmations: number;
  /** First block that can hold an event of ours. */
  readonly firstBlock: bigint;

  /** Chain time in unix seconds: what the next block's timestamp will be, or the newest block's where the node does not say. */
  now(): Promise<number>;
  /** Newest block with enough confirmations; -1n when there is none. */
  confirmedBlock(): Promise<bigint>;
  /**
   * The same chain as it was at its newest confirmed block: all answers are of that one block. For whatever goes into the books, which
   * a reorganisation must not contradict.
   */
  confirmed(): Promise<Chain>;
  /** Of a unit of gas now, in wei of the chain's own coin. */
  gasPrice(): Promise<bigint>;
  /** Wei of the chain's own coin. */
  coinsOf(address: Address): Promise<bigint>;

  aicOf(owner: Address): Promise<bigint>;
  aicAllowance(owner: Address, spender: Address): Promise<bigint>;

  /** Free balance in the escrow. */
  balanceOf(payer: Address): Promise<bigint>;
  authorizationOf(payer: Address, sessionKey: Address): Promise<AuthorizationState>;
  /** What vouchers of this key can still draw. */
  remainingOf(payer: Address, sessionKey: Address): Promise<bigint>;
  channelOf(payer: Address, sessionKey: Address, payee: Address): Promise<ChannelState>;
  /** Seconds after an expiry in which vouchers still count. */
  claimWindow(): Promise<number>;

  /** The root that counts, and the one that waits. `currentOf` gives epoch 0 before the first. */
  currentOf(operator: Address): Promise<RootState>;
  pendingOf(operator: Address): Promise<RootState>;
  paidOf(operator: Address, account: Address): Promise<{ paid: bigint; forfeited: bigint }>;
  fundedOf(operator: Address): Promise<bigint>;
  spentOf(operator: Address): Promise<bigint>;
  publisherOf(operator: Address): Promise<Address>;
  payrollWindow(): Promise<number>;

  /** null: the account has named none. */
  payoutOf(account: Address): Promise<Address | null>;
  nonceOf(account: Address): Promise<bigint>;
  isKeyOf(account: Address, key: Address): Promise<boolean>;

  /** null: no such asset. */
  ownerOf(asset: bigint): Promise<Address | null>;
  assetOf(asset: bigint): Promise<AssetState | null>;
  parentsOf(asset: bigint): Promise<AssetParent[]>;
  assetCount(): Promise<bigint>;

  /** null: not listed. */
  entryOf(id: Hex): Promise<RegistryEntry | null>;
  networkFee(): Promise<number>;
  network(): Promise<Address>;

  /** Call data of a transaction to one of our contracts; null when it went to another, or is not known. */
  callOf(transaction: Hex): Promise<{ contract: ContractName; data: Hex } | null>;

  /** Confirmed events from a block on, at most `maxBlocksPerPage` blocks at once. */
  events(fromBlock: bigint): Promise<EventPage>;
}
