/** What the HTTP API needs to know and do about money: small ports, all of one network. `null` in the place of `Money`: everything is free. */
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Authorization } from '../../shared/receipts/typed-data.ts';
import type { AuthorizationState } from '../chain/chain.ts';
import type { Faucet } from '../chain/relay-chain.ts';
import type { PayingParty, Payments } from '../payments/payments.ts';
import type { SessionKeys } from './keys/session-keys.ts';

export interface Money {
  payments: Payments;
  listings: ModelListings;
  wallets: Wallets;
  escrow: Escrow;
  sessionKeys: SessionKeys;
  x402: X402;
  payroll: PayrollReader;
  accounts: AccountsWriter;
  rpc: ChainRpc;
  /** Gives test money; null on every chain but the local one. */
  faucet: Faucet | null;
  /** Pays for keys of the command line, which name no payer: for the local demo. null: such keys get 402. */
  houseParty: PayingParty | null;
  /** The names by which wallets may sign in here, as `localhost:8787`: a signature for another site opens nothing. */
  domains(): string[];
}

/** The registry's entries of models, a minute old at most. */
export interface ModelListings {
  /** @param model manifest CID. null: not listed. Throws `chain_unavailable`. */
  of(model: string): Promise<ModelListing | null>;
}

export interface ModelListing {
  asset: bigint;
  owner: Address | null;
  /** Counts up with each change. */
  version: number;
  /** Basis points of the compute price. */
  useRoyalty: number;
  networkFee: number;
  /** Wei per 1,000 units. */
  priceFloor: bigint;
  active: boolean;
}

/** Whether a wallet signed: by its key, or by its contract (ERC-1271). False for rubbish; throws `chain_unavailable` only. */
export interface Wallets {
  verifyMessage(wallet: Address, message: string, signature: Hex): Promise<boolean>;
  verifyDigest(wallet: Address, digest: Hex, signature: Hex): Promise<boolean>;
}

/** What the ledger contract says of a payer. */
export interface Escrow {
  /** Free, not set aside for any key; wei. */
  balanceOf(payer: Address): Promise<bigint>;
  /** All zero before the first authorization. */
  authorizationOf(payer: Address, sessionKey: Address): Promise<AuthorizationState>;
  /** The chain's clock, unix seconds, and for how long after an expiry vouchers still count. */
  times(): Promise<{ now: number; claimWindow: number }>;
  /** Submits `authorizeBySig` at the relay's cost; resolves when it counts. Throws `bad_request` with the contract's reason. */
  authorize(authorization: Authorization, signature: Hex): Promise<void>;
}

/** Signed transfers (ERC-3009) into a payer's own escrow, through the gate of a session key of this relay. */
export interface X402 {
  /** The gate and the key that may spend what comes through it. null: not opened yet, nothing is offered. */
  gate(): { address: Address; sessionKey: Address } | null;
  /** EIP-712 name and version of the AIC contract. */
  token: { name: string; version: string };
  /**
   * Submits transferWithAuthorization and resolves when it counts. Called again with the same id (after a crash) it waits for the first.
   * @throws VesselError `payment_required` when the chain refuses it, `chain_unavailable` when that is not known yet
   */
  settle(id: string, transfer: SignedTransfer): Promise<{ transaction: Hex }>;
  /** What is remembered of payments; `expected` makes a write a compare-and-set (null: there is nothing yet). */
  journal: {
    read(key: string): Promise<string | null>;
    write(key: string, value: string, expected?: string | null): Promise<boolean>;
  };
}

export interface SignedTransfer {
  from: Address;
  to: Address;
  value: bigint;
  /** Unix seconds. */
  validAfter: bigint;
  validBefore: bigint;
  nonce: Hex;
  signature: Hex;
}

export interface PayrollReader {
  /** Oldest first. */
  epochs(operator: Address): Promise<PayrollEpoch[]>;
  /** Every leaf of this relay's own payroll, in the tree's order: enough to prove and claim without the relay. */
  leaves(epoch: number): Promise<PayrollLeaves | null>;
  earnings(account: Address): Promise<Earnings>;
}

export interface PayrollEpoch {
  epoch: number;
  root: Hex;
  total: bigint;
  /** Unix seconds from which the root counts; null where it is long since past. */
  readyAt: number | null;
  state: 'pending' | 'current' | 'past' | 'cancelled';
}

export interface PayrollLeaves {
  operator: Address;
  epoch: number;
  root: Hex;
  total: bigint;
  leaves: { account: Address; cumulative: bigint; next: Address }[];
}

/** Wei. What was earned through the payroll is in exactly one of the first four. */
export interface Earnings {
  /** In no root yet. */
  earned: bigint;
  /** In a root whose window is open. */
  pending: bigint;
  claimable: bigint;
  paid: bigint;
  /** null: none named yet. */
  payout: Address | null;
  /** The nonce that the account's next signature must carry. */
  nonce: bigint;
  /** Paid by vouchers, on the ledger contract. */
  direct: { payer: Address; sessionKey: Address; claimed: bigint; paidOut: bigint }[];
}

export interface DeviceSignature {
  x: Hex;
  y: Hex;
  r: Hex;
  s: Hex;
}
export interface PasskeySignature {
  x: Hex;
  y: Hex;
  auth: { r: Hex; s: Hex; challengeIndex: bigint; typeIndex: bigint; authenticatorData: Hex; clientDataJSON: string };
}
export type AccountOrder = { account: Address; deadline: bigint } & (
  | { kind: 'set-payout'; payout: Address }
  | { kind: 'add-key'; key: Address }
) &
  ({ by: 'device'; signature: DeviceSignature } | { by: 'passkey'; signature: PasskeySignature });

export interface AccountsWriter {
  /** Submits the order at the relay's cost. Throws `bad_request` with the contract's reason before anything is spent when it would revert. */
  submit(order: AccountOrder): Promise<{ transaction: Hex }>;
}

export interface ChainRpc {
  /** One JSON-RPC call; throws RpcError for what the node answers with an error, `chain_unavailable` without an answer. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
}

export class RpcError extends Error {
  readonly rpcCode: number;
  readonly data: unknown;

  constructor(rpcCode: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcError';
    this.rpcCode = rpcCode;
    this.data = data;
  }
}
