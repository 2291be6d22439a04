/**
 * A Merkle tree over sha-256 from which a few leaves can be opened. A leaf is hashed with 0 in front, an inner node with 1, so that
 * neither passes for the other. A node without a neighbour moves up as it is. The root of no leaves is 32 zero bytes.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { equalBytes } from '../protocol/bytes.ts';

export const hashBytes = 32;
export const emptyRoot: Uint8Array = new Uint8Array(hashBytes);

const leafMark = Uint8Array.of(0);
const nodeMark = Uint8Array.of(1);

/** sha256(0 ‖ parts…) */
export function leafHash(...parts: readonly Uint8Array[]): Uint8Array {
  return hashOf(leafMark, parts);
}

/** @param leaves hashes of `leafHash`, in order */
export function treeRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) level = levelAbove(level);
  return level[0] ?? emptyRoot;
}

/** Siblings of leaf `index` from below; a level on which it has none is left out. */
export function treeProof(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  const proof: Uint8Array[] = [];
  let at = index;
  for (let level = leaves; level.length > 1; level = levelAbove(level)) {
    const sibling = level[at ^ 1];
    if (sibling) proof.push(sibling);
    at >>= 1;
  }
  return proof;
}

/** Whether `leaf` is the leaf at `index` of the tree of `count` leaves with this root. False for a proof of any other shape. */
export function isInTree(
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  count: number,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isInteger(index) || index < 0 || index >= count) return false;
  let node = leaf;
  let used = 0;
  let at = index;
  for (let width = count; width > 1; width = Math.ceil(width / 2)) {
    if ((at ^ 1) < width) {
      const sibling = proof[used++];
      if (sibling?.byteLength !== hashBytes) return false;
      node = at % 2 === 0 ? nodeHash(node, sibling) : nodeHash(sibling, node);
    }
    at >>= 1;
  }
  return used === proof.length && equalBytes(node, root);
}

function levelAbove(level: readonly Uint8Array[]): Uint8Array[] {
  return Array.from({ length: Math.ceil(level.length / 2) }, (_, pair) => {
    const right = level[2 * pair + 1];
    return right ? nodeHash(level[2 * pair]!, right) : level[2 * pair]!;
  });
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return hashOf(nodeMark, [left, right]);
}

function hashOf(mark: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const hash = sha256.create().update(mark);
  for (const part of parts) hash.update(part);
  return hash.digest();
}
