/**
 * Payroll trees of many shapes with their proofs, for `payroll-vectors.json`: TypeScript computes them, Solidity verifies them.
 * Lists instead of objects, as Solidity reads JSON by lists of one type.
 */
import { keccak256, toHex } from 'viem';
import type { Address, Hex } from './hex.ts';
import { buildPayrollTree } from './payroll-tree.ts';

export interface PayrollVector {
  root: Hex;
  total: string;
  accounts: Address[];
  cumulatives: string[];
  nexts: Address[];
  /** Of every leaf, in the order of `accounts`. */
  proofs: Hex[][];
  /** An account that is not in the tree, and the place of the leaf that proves it. */
  missing: Address;
  missingAt: number;
}

/** Account counts around powers of two, where the shape of the tree changes. */
const sizes = [1, 2, 3, 4, 7, 8, 15, 16, 33];

export function payrollVectors(): PayrollVector[] {
  return sizes.map((size) => {
    const tree = buildPayrollTree(new Map(Array.from({ length: size }, (_, index) => [someAccount(size, index), amount(index)])));
    const missing = someAccount(size, size);
    const { leaf } = tree.missingProofOf(missing);
    return {
      root: tree.root,
      total: `${tree.total}`,
      accounts: tree.leaves.map(({ account }) => account),
      cumulatives: tree.leaves.map(({ cumulative }) => `${cumulative}`),
      nexts: tree.leaves.map(({ next }) => next),
      proofs: tree.leaves.map(({ account }) => tree.evidenceOf(account).proof),
      missing,
      missingAt: tree.leaves.indexOf(leaf),
    };
  });
}

function someAccount(size: number, index: number): Address {
  return keccak256(toHex(`account ${index} of ${size}`)).slice(0, 42) as Address;
}

/** From one wei up, and one amount of nearly all AIC. */
function amount(index: number): bigint {
  return index === 2 ? 9n * 10n ** 27n : 1n + BigInt(index) ** 9n;
}
