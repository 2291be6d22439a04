import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { VesselError } from '../protocol/errors.ts';
import type { Address, Hex } from './hex.ts';
import { parsePayroll, toJson } from './payroll-file.ts';
import { buildPayrollTree, leafHash, verify, zeroAddress } from './payroll-tree.ts';
import { payrollVectors } from './payroll-vectors.ts';

const address = (number: bigint | number): Address => `0x${number.toString(16).padStart(40, '0')}`;
const amounts = (entries: [number, bigint][]) => new Map(entries.map(([number, amount]) => [address(number), amount]));
const coded = (code: string) => (error: unknown) => (error as VesselError).code === code;
const operator = address(0xabc);

const anyAmounts = fc
  .uniqueArray(fc.tuple(fc.bigInt(1n, (1n << 160n) - 1n), fc.bigInt(0n, 1n << 80n)), {
    selector: ([number]) => number,
    maxLength: 70,
  })
  .map((entries) => new Map(entries.map(([number, amount]) => [address(number), amount])));

test('a payroll without accounts is the leaf of account zero alone', () => {
  const tree = buildPayrollTree(new Map());
  assert.deepEqual(tree.leaves, [{ account: zeroAddress, cumulative: 0n, next: zeroAddress }]);
  assert.equal(tree.root, leafHash(tree.leaves[0]!));
  assert.deepEqual(tree.missingProofOf(address(1)), { leaf: tree.leaves[0], proof: [] });
});

test('one account stands beside the leaf of account zero', () => {
  const tree = buildPayrollTree(amounts([[5, 7n]]));
  assert.equal(tree.total, 7n);
  assert.deepEqual(tree.proofOf(address(5)), {
    leaf: { account: address(5), cumulative: 7n, next: zeroAddress },
    proof: [leafHash({ account: zeroAddress, cumulative: 0n, next: address(5) })],
  });
});

test('every account has a proof, every other account a covering leaf, whatever the accounts', () => {
  fc.assert(
    fc.property(anyAmounts, fc.bigInt(0n, (1n << 160n) - 1n).map(address), (accounts, stranger) => {
      const tree = buildPayrollTree(accounts);
      for (const [account, cumulative] of accounts) {
        const proven = tree.proofOf(account);
        assert.equal(proven.leaf.account, account);
        assert.equal(proven.leaf.cumulative, cumulative);
        assert.ok(verify(tree.root, proven));
        assert.equal(verify(tree.root, { ...proven, leaf: { ...proven.leaf, cumulative: cumulative + 1n } }), false);
      }
      const evidence = tree.evidenceOf(stranger);
      assert.ok(verify(tree.root, evidence));
      if (accounts.has(stranger) || stranger === zeroAddress) return;
      assert.deepEqual(tree.missingProofOf(stranger), evidence);
      assert.ok(evidence.leaf.account < stranger);
      assert.ok(evidence.leaf.next > stranger || evidence.leaf.next === zeroAddress);
    }),
  );
});

test('the order and the case in which accounts are given change nothing', () => {
  fc.assert(
    fc.property(anyAmounts, (accounts) => {
      const shouted = [...accounts]
        .reverse()
        .map(([account, amount]) => [`0x${account.slice(2).toUpperCase()}` as Address, amount] as const);
      assert.equal(buildPayrollTree(new Map(shouted)).root, buildPayrollTree(accounts).root);
    }),
  );
});

test('ten thousand accounts are proven by at most 14 hashes each', () => {
  const many = new Map(Array.from({ length: 10_000 }, (_, index) => [address((BigInt(index) + 1n) << 100n), BigInt(index)]));
  const tree = buildPayrollTree(many);
  assert.equal(tree.total, (9_999n * 10_000n) / 2n);
  for (let index = 0; index < 10_000; index += 101) {
    const proven = tree.proofOf(address((BigInt(index) + 1n) << 100n));
    assert.ok(proven.proof.length <= 14);
    assert.ok(verify(tree.root, proven));
  }
});

test('accounts named twice, zero or malformed and amounts beyond 96 bits are refused', () => {
  const mixed = new Map([
    [address(0xab), 1n],
    ['0x00000000000000000000000000000000000000AB' as Address, 1n],
  ]);
  assert.throws(() => buildPayrollTree(mixed), coded('bad_request'));
  assert.throws(() => buildPayrollTree(amounts([[0, 1n]])), coded('bad_request'));
  assert.throws(() => buildPayrollTree(new Map([['0x12' as Address, 1n]])), coded('bad_request'));
  assert.throws(() => buildPayrollTree(amounts([[1, -1n]])), coded('bad_request'));
  assert.throws(() => buildPayrollTree(amounts([[1, 1n << 96n]])), coded('bad_request'));
  const half = 1n << 95n;
  assert.throws(
    () =>
      buildPayrollTree(
        amounts([
          [1, half],
          [2, half],
        ]),
      ),
    coded('bad_request'),
  );
});

test('asking for the wrong kind of proof says so', () => {
  const tree = buildPayrollTree(amounts([[5, 7n]]));
  assert.throws(() => tree.proofOf(address(6)), coded('not_found'));
  assert.throws(() => tree.missingProofOf(address(5)), coded('bad_request'));
});

test('a payroll file read back is the same payroll', () => {
  fc.assert(
    fc.property(anyAmounts, (accounts) => {
      const tree = buildPayrollTree(accounts);
      const read = parsePayroll(toJson({ operator, epoch: 3, tree }));
      assert.deepEqual(
        { operator: read.operator, epoch: read.epoch, root: read.tree.root, leaves: read.tree.leaves },
        { operator, epoch: 3, root: tree.root, leaves: tree.leaves },
      );
    }),
    { numRuns: 30 },
  );
});

test('a payroll file that was changed anywhere is refused', () => {
  const text = toJson({
    operator,
    epoch: 3,
    tree: buildPayrollTree(
      amounts([
        [5, 7n],
        [9, 8n],
      ]),
    ),
  });
  const file = JSON.parse(text);
  const changed = (change: Record<string, unknown>) => JSON.stringify({ ...file, ...change });
  const leaf = (index: number, change: Record<string, unknown>) =>
    changed({ leaves: file.leaves.map((old: object, at: number) => (at === index ? { ...old, ...change } : old)) });
  const wrong: Hex = `0x${'1'.repeat(64)}`;
  for (const bad of [
    '',
    '{}',
    changed({ root: wrong }),
    changed({ total: '16' }),
    changed({ epoch: 0 }),
    changed({ extra: 1 }),
    changed({ leaves: file.leaves.slice(1) }),
    changed({ leaves: [...file.leaves, file.leaves[2]] }),
    changed({ leaves: [file.leaves[0], file.leaves[2], file.leaves[1]] }),
    leaf(0, { cumulative: '1' }),
    leaf(1, { cumulative: '8' }),
    leaf(1, { next: address(10) }),
    leaf(2, { account: address(10) }),
  ])
    assert.throws(() => parsePayroll(bad), coded('bad_message'), bad);
});

test('the vectors that Solidity verifies are what TypeScript computes (scripts/write-payroll-vectors.mjs)', () => {
  const written = JSON.parse(readFileSync(new URL('payroll-vectors.json', import.meta.url), 'utf8'));
  assert.deepEqual(payrollVectors(), written);
});
