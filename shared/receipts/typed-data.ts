/**
 * Everything that is signed about money, as EIP-712 types. The same structs are hashed in Solidity; `vectors.json` holds both to
 * it. Amounts are bigint wei, addresses lower-case hex.
 *
 * secp256k1 keys sign the digest itself. P-256 device keys sign sha256 of the digest, low s.
 */
import type { Address, Hex } from './hex.ts';

/** [payer's session key → payees] IComputeLedger.Voucher. */
export interface Voucher {
  payer: Address;
  /** Everything the session key has promised to anyone so far. */
  total: bigint;
  /** Each payee once; cumulative amounts never fall. */
  payments: Payment[];
}
export interface Payment {
  payee: Address;
  cumulative: bigint;
}

/** [payer's wallet → session key] IComputeLedger.authorizeBySig. */
export interface Authorization {
  payer: Address;
  sessionKey: Address;
  cap: bigint;
  /** Unix seconds. */
  expiry: number;
}

/** [operator → account] IPayroll.Credit: by the payroll root of `epoch` the account has at least `cumulative`. */
export interface PayrollCredit {
  operator: Address;
  account: Address;
  cumulative: bigint;
  epoch: number;
}

/** [hop's device key → asker] What a hop did in a session, cumulative: a later receipt replaces the earlier ones of its hop. */
export interface HopReceipt {
  /** 16-byte session id, left-aligned in 32 bytes. */
  session: Hex;
  /** sha2-256 of the manifest: the digest inside its CID. */
  model: Hex;
  /** The hop's account. */
  account: Address;
  fromLayer: number;
  toLayer: number;
  /** Counts up from 0 in the session: a prefill chunk or 32 output positions each. */
  batch: number;
  epoch: number;
  /** Positions of the prompt computed so far. */
  promptPositions: number;
  /** Positions computed after the prompt so far. */
  outputPositions: number;
  /** Wei asked for all of it, by the agreed ask. */
  amount: bigint;
  /** Hash of the token history those positions stand for, left-aligned in 32 bytes (SPEC FR). */
  commitment: Hex;
}

/** [device key or passkey → chain] IAccounts. */
export interface SetPayout {
  account: Address;
  payout: Address;
  nonce: bigint;
  deadline: bigint;
}
export interface AddKey {
  account: Address;
  key: Address;
  nonce: bigint;
  deadline: bigint;
}

const field = (type: string, name: string) => ({ name, type });

export const typedData = {
  Voucher: [field('address', 'payer'), field('uint96', 'total'), field('Payment[]', 'payments')],
  Payment: [field('address', 'payee'), field('uint96', 'cumulative')],
  Authorization: [field('address', 'payer'), field('address', 'sessionKey'), field('uint96', 'cap'), field('uint40', 'expiry')],
  PayrollCredit: [
    field('address', 'operator'),
    field('address', 'account'),
    field('uint96', 'cumulative'),
    field('uint32', 'epoch'),
  ],
  HopReceipt: [
    field('bytes32', 'session'),
    field('bytes32', 'model'),
    field('address', 'account'),
    field('uint16', 'fromLayer'),
    field('uint16', 'toLayer'),
    field('uint32', 'batch'),
    field('uint32', 'epoch'),
    field('uint32', 'promptPositions'),
    field('uint32', 'outputPositions'),
    field('uint96', 'amount'),
    field('bytes32', 'commitment'),
  ],
  SetPayout: [field('address', 'account'), field('address', 'payout'), field('uint256', 'nonce'), field('uint256', 'deadline')],
  AddKey: [field('address', 'account'), field('address', 'key'), field('uint256', 'nonce'), field('uint256', 'deadline')],
} as const;

/** Where signatures count. Vouchers, authorizations and receipts belong to the ledger, credits to the payroll, SetPayout and AddKey to Accounts. */
export interface ChainPlace {
  chainId: number;
  ledger: Address;
  payroll: Address;
  accounts: Address;
}

export type Domain = { name: string; version: '1'; chainId: number; verifyingContract: Address };
export const ledgerDomain = ({ chainId, ledger }: ChainPlace): Domain => domain('Vessel', chainId, ledger);
export const payrollDomain = ({ chainId, payroll }: ChainPlace): Domain => domain('Vessel Payroll', chainId, payroll);
export const accountsDomain = ({ chainId, accounts }: ChainPlace): Domain => domain('Vessel Accounts', chainId, accounts);

function domain(name: string, chainId: number, verifyingContract: Address): Domain {
  return { name, version: '1', chainId, verifyingContract };
}
