import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sampler } from '../../provider/sampling/sampler.ts';
import { sampling } from '../../testing/language-model.ts';
import { randomNumbers } from '../../testing/random-numbers.ts';
import type { Sampling } from '../protocol/sampling.ts';
import { type ClaimedDraw, checkDraws, type DrawFinding } from './check-draws.ts';

const vocab = 400;
const promptIds = [1, 5, 9, 5];
const length = 32;
const noise = 1e-4;
const stopId = 7;

const settings: [string, Sampling][] = [
  ['greedy', sampling({ temperature: 0 })],
  ['plain', sampling({ temperature: 1, seed: 11 })],
  ['all cuts', sampling({ temperature: 0.8, topK: 40, topP: 0.9, minP: 0.02, seed: 12 })],
  ['penalties', sampling({ temperature: 1.2, repetitionPenalty: 1.2, frequencyPenalty: 0.5, presencePenalty: 0.2, seed: 13 })],
];

/** Logits that spread like a model's: about 2. */
function logitsOf(seed: number): Float32Array[] {
  const random = randomNumbers(seed);
  return Array.from({ length }, () =>
    Float32Array.from({ length: vocab }, (_, id) => (id === stopId ? -20 : 2 * random.gaussian())),
  );
}

function draw(with_: Sampling, logits: readonly Float32Array[]): ClaimedDraw[] {
  const sampler = new Sampler({ vocab, sampling: with_, promptIds });
  return logits.map((row, index) => {
    const { id } = sampler.sample(row, promptIds.length + index);
    sampler.accept(id);
    return { id, end: index + 1 === logits.length ? 'length' : 'goes-on' };
  });
}

function check(with_: Sampling, claimed: ClaimedDraw[], logits: Float32Array[], rest: object = {}): DrawFinding {
  return checkDraws({
    sampler: new Sampler({ vocab, sampling: with_, promptIds }),
    promptLength: promptIds.length,
    maxTokens: length,
    stopIds: [stopId],
    wasCut: false,
    claimed,
    logits,
    noise,
    ...rest,
  });
}

function noisy(logits: Float32Array[], seed: number): Float32Array[] {
  const random = randomNumbers(seed);
  // The root mean square is about 2, and the tolerance is twice what is seen.
  return logits.map((row) => row.map((value) => value + (2 * random.uniform() - 1) * noise));
}

for (const [name, with_] of settings) {
  test(`[SA1] [SA2] ${name}: an honest hop's draws are repeated, from logits that are a little off too`, () => {
    let explained = 0;
    for (let seed = 0; seed < 40; seed++) {
      const logits = logitsOf(seed);
      const claimed = draw(with_, logits);
      assert.deepEqual(check(with_, claimed, logits), { agrees: true, same: length, explained: 0, wrongAt: null });
      const off = check(with_, claimed, noisy(logits, seed));
      assert.ok(off.agrees, `seed ${seed}: ${JSON.stringify(off)}`);
      explained += off.explained;
    }
    assert.ok(explained < 20);
  });
}

test('two tokens that are as good as even are both right, a third is not', () => {
  const with_ = sampling({ temperature: 0 });
  const logits = logitsOf(1);
  logits[3]![100] = 30;
  logits[3]![200] = 30.0001;
  const claimed = draw(with_, logits);
  assert.equal(claimed[3]!.id, 200);
  claimed[3]!.id = 100;
  assert.deepEqual(check(with_, claimed, logits), { agrees: true, same: length - 1, explained: 1, wrongAt: null });
  claimed[3]!.id = 101;
  assert.deepEqual(check(with_, claimed, logits), { agrees: false, same: 3, explained: 0, wrongAt: 3 });
  logits[3]![200] = 30.1;
  claimed[3]!.id = 100;
  assert.equal(check(with_, claimed, logits).wrongAt, 3);
});

test('a random number on the edge between two tokens gives either', () => {
  const with_ = sampling({ temperature: 1, seed: 3 });
  const logits = logitsOf(2);
  const claimed = draw(with_, logits);
  // Pushing what lies before the token by just so much moves the edge onto the number, from one side and from the other.
  let edges = 0;
  for (let shift = -2; shift <= 2; shift += 1e-3) {
    const moved = logits.map((row, index) =>
      index === 0 ? row.map((value, id) => (id < claimed[0]!.id ? value + shift : value)) : row,
    );
    const other = draw(with_, moved)[0]!.id;
    const near = logits.map((row, index) =>
      index === 0 ? row.map((value, id) => (id < claimed[0]!.id ? value + shift - 1e-4 : value)) : row,
    );
    const before = draw(with_, near)[0]!.id;
    if (other === before) continue;
    edges++;
    const lie = draw(with_, near);
    assert.ok(
      check(with_, [lie[0]!, { id: stopId, end: 'stop' }], moved, { maxTokens: 9 }).wrongAt !== 0,
      'the near token is explained',
    );
  }
  assert.ok(edges > 0);
});

test('another seed, a greedy answer and a constant one are found', () => {
  for (const [, with_] of settings.slice(1)) {
    for (let seed = 0; seed < 100; seed++) {
      const logits = logitsOf(seed);
      assert.ok(!check(with_, draw({ ...with_, seed: 1000 + seed }, logits), noisy(logits, seed)).agrees);
      assert.ok(!check(with_, draw({ ...with_, temperature: 0 }, logits), noisy(logits, seed)).agrees);
      const constant = draw(with_, logits).map((one): ClaimedDraw => ({ ...one, id: 3 }));
      assert.ok(!check(with_, constant, noisy(logits, seed)).agrees);
    }
  }
});

test('an answer ends where it must: not early, not late, not without an end', () => {
  const with_ = settings[1]![1];
  const logits = logitsOf(5);
  const claimed = draw(with_, logits);
  const cut = claimed.slice(0, 10);
  const wrongAt = (claims: ClaimedDraw[], rest: object = {}) => check(with_, claims, logits, rest).wrongAt;
  assert.equal(wrongAt(claimed), null);
  assert.equal(wrongAt([...cut.slice(0, 9), { id: cut[9]!.id, end: 'length' }]), 9);
  assert.equal(wrongAt([...cut.slice(0, 9), { id: stopId, end: 'stop' }]), 9);
  assert.equal(wrongAt([...cut.slice(0, 9), { id: cut[9]!.id, end: 'stop' }]), 9);
  assert.equal(wrongAt(cut), 9);
  assert.equal(wrongAt([]), 0);
  assert.equal(wrongAt(claimed, { maxTokens: length + 1 }), length - 1);
  assert.equal(wrongAt(claimed, { maxTokens: length - 1 }), length - 2);
  // The asker went away: what is there has to be right, no more.
  assert.equal(wrongAt(cut, { wasCut: true }), null);
  // A stop id that was drawn ends the answer, and one that was drawn and passed over is a lie.
  const stop = claimed[9]!.id;
  const ended: ClaimedDraw[] = [...cut.slice(0, 9), { id: stop, end: 'stop' }];
  const first = claimed.findIndex(({ id }) => id === stop);
  assert.equal(wrongAt(first === 9 ? ended : ended.slice(0, first).concat({ id: stop, end: 'stop' }), { stopIds: [stop] }), null);
  assert.equal(wrongAt(claimed, { stopIds: [stop] }), first);
});
