import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../../testing/random-numbers.ts';
import { auditChance, largestSession, newRecord, overheadOver, ratePolicy, recordAfter } from './audit-rate.ts';
import { type BatchSummary, batchRoot } from './batch-commitment.ts';
import { checkLink } from './check-link.ts';
import { acquitChance, frameChance } from './collusion.ts';
import { tolerances } from './numeric-class.ts';
import { hardEconomy, heldNeeded, profitOf, profitTable } from './profit.ts';
import { type AuditReport, decide, panel, passesCanary } from './verdict.ts';

const random = randomNumbers(3);
const honestRows = Array.from({ length: 4 }, () => Float64Array.from({ length: 16 }, () => random.gaussian()));
const off = (share: number) => honestRows.map((row) => row.map((value) => value + share * random.gaussian()));
const tolerance = tolerances.f32;
const honest = (auditor: string): AuditReport => ({ auditor, fingerprints: off(1e-6), drawsAgree: true });
const invented = (auditor: string): AuditReport => ({ auditor, fingerprints: off(1), drawsAgree: true });
const silent = (auditor: string): AuditReport => ({ auditor, fingerprints: [], drawsAgree: true });

test('one auditor that agrees is enough; one that differs calls a panel and convicts nobody', () => {
  assert.deepEqual(decide(off(1e-6), [honest('a')], tolerance), { kind: 'clean', doubted: [] });
  assert.deepEqual(decide(off(1e-2), [honest('a')], tolerance), { kind: 'panel', more: 4 });
  assert.deepEqual(decide(off(1e-6), [invented('a')], tolerance), { kind: 'panel', more: 4 });
  assert.deepEqual(decide(off(1e-6), [silent('a')], tolerance), { kind: 'panel', more: 4 });
});

test('guilty is who differs from k auditors that agree with each other', () => {
  const auditors = ['a', 'b', 'c', 'd'].map(honest);
  const guilty = { kind: 'guilty', signers: ['a', 'b', 'c', 'd'], doubted: [] };
  assert.deepEqual(decide(off(1e-2), auditors, tolerance), guilty);
  assert.deepEqual(decide(null, auditors, tolerance), guilty);
  assert.deepEqual(decide(off(1e-2), [...auditors, invented('e')], tolerance), { ...guilty, doubted: ['e'] });
  // Right rows, wrong draws.
  const wrongDraws = auditors.map((report) => ({ ...report, drawsAgree: false }));
  assert.deepEqual(decide(off(1e-6), wrongDraws, tolerance), guilty);
});

test('auditors that made something up do not agree, so they convict nobody and are in doubt themselves', () => {
  const liars = ['a', 'b', 'c', 'd', 'e'].map(invented);
  assert.deepEqual(decide(off(1e-6), liars, tolerance), { kind: 'undecided', doubted: ['a', 'b', 'c', 'd', 'e'] });
  assert.deepEqual(decide(off(1e-6), [liars[0]!, honest('b'), honest('c')], tolerance), { kind: 'clean', doubted: ['a'] });
});

test('a canary is passed by who ran the shard, and by nobody else', () => {
  assert.ok(passesCanary(off(1e-6), honest('a'), tolerance));
  for (const report of [invented('a'), silent('a'), { ...honest('a'), drawsAgree: false }])
    assert.ok(!passesCanary(off(1e-6), report, tolerance));
});

test('who does not answer neither convicts nor acquits', () => {
  const reports = [honest('a'), honest('b'), silent('c'), silent('d'), honest('e')];
  assert.equal(decide(off(1e-2), reports, tolerance).kind, 'undecided');
});

test('colluding auditors: the formula is what a simulation of the draw gives', () => {
  const pool = { pool: 40, colluding: 10 };
  const draws = 40_000;
  let framed = 0;
  let acquitted = 0;
  for (let trial = 0; trial < draws; trial++) {
    const left = Array.from({ length: pool.pool }, (_, index) => index < pool.colluding);
    const drawn = Array.from({ length: panel.n }, () => left.splice(Math.floor(random.uniform() * left.length), 1)[0]!);
    const colluding = drawn.filter(Boolean).length;
    if (drawn[0] && colluding >= panel.k) framed++;
    if (drawn[0] || panel.n - colluding < panel.k) acquitted++;
  }
  assert.ok(Math.abs(framed / draws - frameChance(pool)) < 0.003, `${framed / draws} ${frameChance(pool)}`);
  assert.ok(Math.abs(acquitted / draws - acquitChance(pool)) < 0.01, `${acquitted / draws} ${acquitChance(pool)}`);
  assert.equal(frameChance({ pool: 100, colluding: 0 }), 0);
  assert.ok(Math.abs(acquitChance({ pool: 100, colluding: 0 })) < 1e-9);
  assert.equal(frameChance({ pool: 100, colluding: 3 }), 0);
});

test('a newcomer is audited every time, the rate falls with clean audits to its floor, and rises after a doubt', () => {
  const value = 10n;
  let record = { ...newRecord, heldBack: 10_000n };
  const chances: number[] = [];
  for (let audit = 0; audit < 60; audit++) {
    chances.push(auditChance(record, value));
    record = recordAfter(record, 'clean');
  }
  assert.deepEqual(chances.slice(0, 10), new Array(10).fill(1));
  assert.deepEqual([chances[10], chances[15], chances[20]], [0.5, 0.25, 0.125]);
  assert.equal(chances.at(-1), ratePolicy.floor);
  assert.equal(auditChance(recordAfter(record, 'doubt'), value), 1);
  assert.equal(auditChance({ ...recordAfter(record, 'convicted'), heldBack: 10_000n }, value), 1);
});

test('who has nothing held back is audited every time, and large work more often than small', () => {
  const veteran = { cleanAudits: 1000, heldBack: 0n };
  assert.equal(auditChance(veteran, 10n), 1);
  assert.equal(auditChance({ ...veteran, heldBack: 1000n }, 100n), 0.2);
  assert.equal(auditChance({ ...veteran, heldBack: 100n }, 100n), 1);
  assert.equal(auditChance({ ...veteran, heldBack: 1_000_000n }, 100n), ratePolicy.floor);
  assert.equal(auditChance(veteran, 0n), ratePolicy.floor);
});

test('re-execution is at most 6 % in steady state', () => {
  const held = Math.ceil(ratePolicy.margin / ratePolicy.floor);
  assert.ok(ratePolicy.floor + ratePolicy.canaries <= 0.06);
  // Joining included: some 270 sessions until the floor.
  assert.ok(overheadOver(3000, held) <= 0.06, `${overheadOver(3000, held)}`);
  assert.ok(overheadOver(20_000, held) <= 0.045);
  assert.ok(overheadOver(50, held) > 0.3);
});

test('no strategy earns more than honesty, with a tenth of all auditors colluding and work that costs nearly all it earns', () => {
  for (const { name, aboveHonesty } of profitTable(hardEconomy(ratePolicy), 0.999).slice(1))
    assert.ok(aboveHonesty < 0, `${name}: ${aboveHonesty}`);
  // Whatever is held back: the rate makes up for it. Less than ten sessions it never is.
  for (const heldSessions of [ratePolicy.newcomerAudits, 30, 100, 1000]) {
    for (const cost of [0.2, 0.5, 0.8, 0.99]) {
      for (const { name, aboveHonesty } of profitTable({ ...hardEconomy(ratePolicy), heldSessions, cost }, 0.999).slice(1))
        assert.ok(aboveHonesty < 0, `${name} with ${heldSessions}, cost ${cost}: ${aboveHonesty}`);
    }
  }
});

test('the table is one of trade-offs: without holdback, or with too many colluding auditors, cheating would pay', () => {
  const economy = hardEconomy(ratePolicy);
  const lazy = { name: 'does nothing', saves: 1, share: 1, found: 0.999, as: 'veteran' } as const;
  const rate = { ...ratePolicy, margin: 0 };
  assert.ok(profitOf(lazy, { ...economy, rate, heldSessions: 5 }).aboveHonesty > 0);
  assert.ok(profitOf(lazy, { ...economy, auditors: { pool: 200, colluding: 100 } }).aboveHonesty > 0);
  assert.ok(profitOf({ ...lazy, size: 200 }, { ...economy, heldSessions: 10 }).aboveHonesty > 0);
  assert.equal(largestSession({ cleanAudits: 10, heldBack: 11n }, 1n), 44n);
  assert.ok(heldNeeded(economy, 1, 0.999) < economy.heldSessions);
  assert.equal(profitOf({ ...lazy, found: 0 }, economy).aboveHonesty, economy.cost);
});

test('what was sent and what was received: the same, or somebody is blamed only if a seal says whom', () => {
  const head = {
    session: 'ab'.repeat(16),
    epoch: 0,
    batch: 0,
    position: 0,
    count: 2,
    phase: 'prompt',
    numericClass: 'f32',
    prior: new Uint8Array(8),
    after: new Uint8Array(8).fill(1),
  } as const;
  const root = (value: number) => new Uint8Array(32).fill(value);
  const sent: BatchSummary = { head, input: root(1), output: root(2), outputs: 2 };
  const received: BatchSummary = { head, input: root(2), output: root(3), outputs: 2 };
  const lied: BatchSummary = { ...received, input: root(9) };
  assert.deepEqual(checkLink(sent, received), { kind: 'same' });
  assert.deepEqual(checkLink(sent, lied), { kind: 'differs', blamed: 'nobody' });
  assert.deepEqual(checkLink(sent, lied, null), { kind: 'differs', blamed: 'downstream' });
  const seal = { batch: sent, signedRoot: batchRoot(sent) };
  assert.deepEqual(checkLink(sent, lied, seal), { kind: 'differs', blamed: 'downstream' });
  // The upstream hop sealed one thing to its neighbour and committed to another.
  const other = { ...sent, output: root(9) };
  assert.deepEqual(checkLink(sent, lied, { batch: other, signedRoot: batchRoot(other) }), {
    kind: 'differs',
    blamed: 'upstream',
  });
  assert.deepEqual(checkLink(sent, lied, { batch: other, signedRoot: batchRoot(sent) }), {
    kind: 'differs',
    blamed: 'downstream',
  });
  assert.equal(checkLink(sent, { ...received, head: { ...head, after: new Uint8Array(8) } }).kind, 'differs');
});
