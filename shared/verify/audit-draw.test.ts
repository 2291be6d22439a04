import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Auditor, type AuditTarget, drawAuditors, drawRows, isAudited } from './audit-draw.ts';
import { BeaconDraws, openBeacon, sealSecret, text } from './beacon.ts';

const bytes = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const beaconAt = (index: number): Uint8Array => new BeaconDraws(bytes(9), [text(String(index))]).bytes();
const target: AuditTarget = { session: '0f'.repeat(16), hop: `0x${'a'.repeat(40)}`, commitment: bytes(1) };
const auditors = Array.from({ length: 60 }, (_, index): Auditor => ({ account: `0x${index}`, network: `net ${index % 40}` }));

test('a beacon needs the sealed secret, and changes with the block and the epoch', () => {
  const seal = sealSecret(bytes(1));
  const beacon = openBeacon(seal, { epoch: 4, secret: bytes(1), blockHash: bytes(2) });
  assert.equal(beacon?.length, 32);
  assert.equal(openBeacon(seal, { epoch: 4, secret: bytes(7), blockHash: bytes(2) }), null);
  assert.notDeepEqual(openBeacon(seal, { epoch: 4, secret: bytes(1), blockHash: bytes(3) }), beacon);
  assert.notDeepEqual(openBeacon(seal, { epoch: 5, secret: bytes(1), blockHash: bytes(2) }), beacon);
});

test('numbers of a beacon are even, and two purposes never share them', () => {
  const counts = new Array<number>(7).fill(0);
  const draws = new BeaconDraws(bytes(0), [text('even')]);
  for (let index = 0; index < 14_000; index++) counts[draws.below(7)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 2000) < 250, counts.join(' '));
  const a = new BeaconDraws(bytes(0), [text('ab'), text('c')]).bytes();
  assert.notDeepEqual(new BeaconDraws(bytes(0), [text('a'), text('bc')]).bytes(), a);
  assert.deepEqual(new BeaconDraws(bytes(0), [text('ab'), text('c')]).bytes(), a);
});

test('a sample has no doubles, every member is as likely, and it is all there is when there is no more', () => {
  const hits = new Array<number>(10).fill(0);
  for (let index = 0; index < 3000; index++) {
    const sample = new BeaconDraws(beaconAt(index), []).sample(10, 3);
    assert.equal(new Set(sample).size, 3);
    for (const member of sample) hits[member]!++;
  }
  for (const hit of hits) assert.ok(Math.abs(hit - 900) < 130, hits.join(' '));
  assert.deepEqual(new BeaconDraws(bytes(0), []).sample(3, 8), [0, 1, 2]);
  assert.deepEqual(new BeaconDraws(bytes(0), []).sample(0, 8), []);
});

test('what is audited follows from the beacon alone: everybody draws the same, and a changed commitment changes it', () => {
  const outputs = [64, 64, 0, 32, 32, 32, 5];
  const draw = drawRows(bytes(8), target, outputs);
  assert.deepEqual(drawRows(bytes(8), target, outputs), draw);
  assert.notDeepEqual(drawRows(bytes(8), { ...target, commitment: bytes(2) }, outputs), draw);
  assert.notDeepEqual(drawRows(beaconAt(1), target, outputs).seed, draw.seed);
});

test('the last batch with outputs is always opened, batches without any never', () => {
  for (let index = 0; index < 200; index++) {
    const { opened } = drawRows(beaconAt(index), target, [0, 64, 0, 32, 32, 32, 3]);
    assert.equal(opened.length, 4);
    assert.deepEqual(opened.at(-1), { batch: 6, rows: [0, 1, 2] });
    for (const { batch } of opened) assert.ok(batch !== 0 && batch !== 2);
  }
  assert.deepEqual(drawRows(bytes(1), target, [1]).opened, [{ batch: 0, rows: [0] }]);
  assert.deepEqual(drawRows(bytes(1), target, []).opened, []);
});

test('sessions are audited as often as the rate says', () => {
  let audited = 0;
  for (let index = 0; index < 10_000; index++) if (isAudited(beaconAt(index), target, 0.03)) audited++;
  assert.ok(Math.abs(audited - 300) < 70, `${audited}`);
  assert.ok(isAudited(bytes(1), target, 1));
});

test('auditors are unrelated: nobody of the route, nobody on its networks, no two on one network', () => {
  const route = [auditors[0]!, auditors[1]!, auditors[2]!];
  const seen = new Set<string>();
  for (let index = 0; index < 300; index++) {
    const drawn = drawAuditors(beaconAt(index), target, auditors, route, 5);
    assert.equal(drawn.length, 5);
    assert.equal(new Set(drawn.map(({ network }) => network)).size, 5);
    for (const { account, network } of drawn) {
      seen.add(account);
      assert.ok(!route.some((hop) => hop.account === account || hop.network === network));
    }
    assert.deepEqual(drawAuditors(beaconAt(index), target, auditors.toReversed(), route, 5), drawn);
  }
  // 60 auditors less three of the route and three more on its networks.
  assert.equal(seen.size, 54);
  assert.equal(drawAuditors(bytes(1), target, auditors.slice(0, 4), route, 5).length, 1);
});
