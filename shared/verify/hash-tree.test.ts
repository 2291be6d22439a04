import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '../protocol/bytes.ts';
import { rowLeaf, tokenLeaf } from './boundary-row.ts';
import { isInTree, leafHash, treeProof, treeRoot } from './hash-tree.ts';

const leaves = (count: number): Uint8Array[] => Array.from({ length: count }, (_, index) => leafHash(Uint8Array.of(index)));

test('every leaf of a tree of any size is proved, at its own place only', () => {
  for (let count = 1; count <= 65; count++) {
    const all = leaves(count);
    const root = treeRoot(all);
    for (const [index, leaf] of all.entries()) {
      const proof = treeProof(all, index);
      assert.ok(isInTree(root, leaf, index, count, proof), `${index} of ${count}`);
      assert.ok(!isInTree(root, leaf, (index + 1) % count, count, proof) || count === 1);
      assert.ok(!isInTree(root, leafHash(Uint8Array.of(200)), index, count, proof));
      assert.ok(!isInTree(root, leaf, index, count, [...proof, root]));
      if (proof.length > 0) assert.ok(!isInTree(root, leaf, index, count, proof.slice(1)));
    }
  }
});

test('an inner node does not pass for a leaf, nor a smaller tree for a larger one', () => {
  const all = leaves(4);
  const root = treeRoot(all);
  const left = treeRoot(all.slice(0, 2));
  assert.ok(!isInTree(root, left, 0, 4, [treeRoot(all.slice(2))]));
  assert.notDeepEqual(treeRoot(leaves(3)), treeRoot([...leaves(3), leaves(3)[2]!]));
  assert.deepEqual(treeRoot([]), new Uint8Array(32));
});

test('a row is hashed as the little-endian f32 that crossed the wire, bit for bit', () => {
  const row = Float32Array.of(1, -0, 3.5);
  const bytes = Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0x80, 0, 0, 0x60, 0x40);
  assert.deepEqual(rowLeaf(row), leafHash(bytes));
  assert.notDeepEqual(rowLeaf(row), rowLeaf(Float32Array.of(1, 0, 3.5)));
  assert.deepEqual(rowLeaf(Float32Array.of(9, 1, -0, 3.5).subarray(1)), rowLeaf(row));
  assert.equal(bytesToHex(tokenLeaf(1)), bytesToHex(leafHash(Uint8Array.of(1, 0, 0, 0))));
});
