import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { randomNumbers } from '../../testing/random-numbers.ts';
import { compareRows } from './accept-rows.ts';
import { BeaconDraws, text } from './beacon.ts';
import { fingerprintDistance, fingerprintSize, Projection } from './fingerprint.ts';
import { tolerances } from './numeric-class.ts';

const seedAt = (index: number): Uint8Array => new BeaconDraws(new Uint8Array(32), [text(String(index))]).bytes();

test('the distance of two rows shows in their fingerprints, within a factor of four', () => {
  const random = randomNumbers(1);
  for (const width of [64, 193, 576]) {
    const row = Float32Array.from({ length: width }, () => random.gaussian());
    for (const distance of [1e-5, 1e-3, 1e-1]) {
      const other = row.map((value) => value + distance * random.gaussian());
      for (let index = 0; index < 200; index++) {
        const projection = new Projection(seedAt(index), width);
        const found = fingerprintDistance(projection.fingerprint(other), projection.fingerprint(row));
        assert.ok(found > distance / 4 && found < distance * 4, `${found} for ${distance}`);
      }
    }
  }
});

test('a change of one value shows in every projection', () => {
  const row = Float32Array.from({ length: 64 }, (_, index) => Math.sin(index));
  const projection = new Projection(seedAt(1), 64);
  const other = row.slice();
  other[3]! += 0.1;
  for (let index = 0; index < 50; index++) {
    const fresh = new Projection(seedAt(index), 64);
    assert.ok(fingerprintDistance(fresh.fingerprint(other), fresh.fingerprint(row)) > 1e-3);
  }
  assert.equal(projection.fingerprint(row).length, fingerprintSize);
  assert.throws(() => projection.fingerprint(row.subarray(1)), RangeError);
});

test('missing, short, NaN and zero rows are infinitely far', () => {
  const some = Float64Array.from({ length: 16 }, (_, index) => index + 1);
  for (const other of [[], some.slice(1), some.map(() => Number.NaN), some.map(() => Number.POSITIVE_INFINITY)])
    assert.equal(fingerprintDistance(other, some), Number.POSITIVE_INFINITY);
  assert.equal(fingerprintDistance(some, new Float64Array(16)), Number.POSITIVE_INFINITY);
  assert.equal(fingerprintDistance(some, some), 0);
  assert.ok(!compareRows([], [some], tolerances.f32).agrees);
  assert.ok(!compareRows([], [], tolerances.f32).agrees);
});

test('the tolerances in use are those that were measured to hold', () => {
  const file = JSON.parse(readFileSync(new URL('tolerances.json', import.meta.url), 'utf8'));
  assert.deepEqual(file.tolerances, tolerances);
  assert.deepEqual(file.problems, []);
  assert.match(file.date, /^20\d\d-\d\d-\d\d$/);
  assert.ok(file.machine.length > 0);
  assert.ok(file.figures.f32.honestRows >= 100_000, `${file.figures.f32.honestRows} rows`);
  for (const [name, { cheats, rowsAccused, auditsAccused, drawsAccused }] of Object.entries<{
    cheats: Record<string, { tries: number; found: number }>;
    rowsAccused: number;
    auditsAccused: number;
    drawsAccused: number;
  }>(file.figures)) {
    // Class f16 has no device to measure on.
    if (name === 'f16') continue;
    assert.deepEqual([name, rowsAccused, auditsAccused, drawsAccused], [name, 0, 0, 0]);
    for (const [cheat, { tries, found }] of Object.entries(cheats)) assert.ok(found >= 0.999 * tries, `${name}, ${cheat}`);
  }
});
