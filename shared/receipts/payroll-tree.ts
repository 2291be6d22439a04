/**
 * The Merkle tree of a payroll root (IPayroll): what every account has earned so far, in order of account. Each leaf names the `next`
 * account, so one leaf proves either what an account has, or that it has nothing. The first leaf is account zero, amount zero; the last
 * one's `next` is zero.
 *
 * Leaves are hashed twice and are 96 bytes long, inner nodes are 64 bytes, so a node never passes for a leaf. Pairs are hashed
 * smaller first; an odd node at the end of a level moves up as it is.
 */
import { concat, encodeAbiParameters, keccak256 } from 'viem';
import { VesselError } from '../protocol/errors.ts';
import type { Address, Hex } from './hex.ts';

export interface Leaf {
  account: Address;
  /** Everything the account has ever earned here, in wei, below 2^96. */
  cumulative: bigint;
  /** The next larger account in the tree; zero after the last. */
  next: Address;
}

export interface LeafProof {
  leaf: Leaf;
  /** 32-byte siblings from the leaf up. */
  proof: Hex[];
}

export interface PayrollTree {
  root: Hex;
  /** Sum of all cumulative amounts, in wei. */
  total: bigint;
  /** In order of account, the leaf of account zero first. */
  leaves: readonly Leaf[];
  /** Throws `not_found` for an account that is not in the tree. */
  proofOf(account: Address): LeafProof;
  /** The leaf that proves the account is not in the tree. Throws `bad_request` if it is. */
  missingProofOf(account: Address): LeafProof;
  /** Whichever of the two there is: what challenges and forfeits ask for. */
  evidenceOf(account: Address): LeafProof;
}

export const zeroAddress: Address = `0x${'0'.repeat(40)}`;
const leafTypes = [{ type: 'address' }, { type: 'uint96' }, { type: 'address' }] as const;

/** keccak256(keccak256(abi.encode(account, cumulative, next))) */
export function leafHash({ account, cumulative, next }: Leaf): Hex {
  return keccak256(keccak256(encodeAbiParameters(leafTypes, [account, cumulative, next])));
}

/** True if the tree with this root holds the leaf. */
export function verify(root: Hex, { leaf, proof }: LeafProof): boolean {
  return proof.reduce(hashPair, leafHash(leaf)) === root;
}

/**
 * @param amounts cumulative wei per account
 * @throws VesselError `bad_request` for an account that is zero, malformed or named twice, and for an amount outside 0 … 2^96 - 1, or a
 * sum outside
 */
export function buildPayrollTree(amounts: ReadonlyMap<Address, bigint>): PayrollTree {
  const leaves = leavesOf(amounts);
  const total = leaves.reduce((sum, { cumulative }) => sum + cumulative, 0n);
  if (total >= 1n << 96n) throw new VesselError('bad_request', 'The payroll adds up to more than 2^96 - 1 wei.');
  const levels = [leaves.map(leafHash)];
  while (levels.at(-1)!.length > 1) levels.push(levelAbove(levels.at(-1)!));

  const proofAt = (index: number): LeafProof => ({ leaf: leaves[index]!, proof: siblings(levels, index) });
  const evidenceOf = (account: Address) => proofAt(lastNotAfter(leaves, checked(account)));
  return {
    root: levels.at(-1)![0]!,
    total,
    leaves,
    evidenceOf,
    proofOf(account) {
      const evidence = evidenceOf(account);
      if (evidence.leaf.account === account.toLowerCase()) return evidence;
      throw new VesselError('not_found', `The payroll has no account ${account}.`);
    },
    missingProofOf(account) {
      const evidence = evidenceOf(account);
      if (evidence.leaf.account !== account.toLowerCase()) return evidence;
      throw new VesselError('bad_request', `The payroll does have account ${account}.`);
    },
  };
}

function leavesOf(amounts: ReadonlyMap<Address, bigint>): Leaf[] {
  const sorted = [...amounts]
    .map(([account, amount]) => [checked(account), amount] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const leaves: Leaf[] = [{ account: zeroAddress, cumulative: 0n, next: zeroAddress }];
  for (const [account, cumulative] of sorted) {
    const last = leaves.at(-1)!;
    if (account === last.account) throw new VesselError('bad_request', `Account ${account} is zero or named twice.`);
    if (cumulative < 0n || cumulative >= 1n << 96n)
      throw new VesselError('bad_request', `${cumulative} wei for ${account} is not between 0 and 2^96 - 1.`);
    last.next = account;
    leaves.push({ account, cumulative, next: zeroAddress });
  }
  return leaves;
}

/** Lower case, so that order as text is order as numbers. */
function checked(account: Address): Address {
  if (!/^0x[0-9a-fA-F]{40}$/.test(account)) throw new VesselError('bad_request', `${account} is not an account.`);
  return account.toLowerCase() as Address;
}

function hashPair(a: Hex, b: Hex): Hex {
  return keccak256(a < b ? concat([a, b]) : concat([b, a]));
}

function levelAbove(level: readonly Hex[]): Hex[] {
  return Array.from({ length: Math.ceil(level.length / 2) }, (_, index) => {
    const [left, right] = [level[2 * index]!, level[2 * index + 1]];
    return right === undefined ? left : hashPair(left, right);
  });
}

function siblings(levels: readonly Hex[][], index: number): Hex[] {
  return levels.flatMap((level, height) => level[(index >> height) ^ 1] ?? []);
}

/** Index of the account's own leaf, or of the one before it. */
function lastNotAfter(leaves: readonly Leaf[], account: Address): number {
  let [low, high] = [0, leaves.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (leaves[middle]!.account <= account) low = middle;
    else high = middle;
  }
  return low;
}
