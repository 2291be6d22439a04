import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VesselError } from '../../shared/protocol/errors.ts';
import { type Sampling, samplingSchema } from '../../shared/protocol/sampling.ts';
import { Sampler } from './sampler.ts';
import { SamplerScratch } from './sampler-scratch.ts';
import { uniformDraw } from './uniform-draw.ts';

const sampling = (options: Partial<Sampling>): Sampling => samplingSchema.parse({ seed: 1, ...options });

function sampleOnce(logits: number[], options: Partial<Sampling>, promptIds: number[] = [], answerIds: number[] = []) {
  const sampler = new Sampler({ vocab: logits.length, sampling: sampling(options), promptIds, answerIds });
  return sampler.sample(Float32Array.from(logits), promptIds.length + answerIds.length);
}

/** The stated order of operations once more, in the plainest form: lists, full sorts, no shortcut. */
function referenceProbabilities(logits: Float32Array, s: Sampling, promptIds: number[], answerIds: number[]): number[] {
  const values = Array.from(logits);
  for (const [id, bias] of s.logitBias) values[id]! += bias;
  for (const id of new Set([...promptIds, ...answerIds])) {
    values[id] = values[id]! > 0 ? values[id]! / s.repetitionPenalty : values[id]! * s.repetitionPenalty;
  }
  for (const id of new Set(answerIds)) {
    values[id]! -= s.presencePenalty + s.frequencyPenalty * answerIds.filter((other) => other === id).length;
  }
  const max = Math.max(...values);
  const scaled = values.map((value) => (value - max) / s.temperature);
  let kept = scaled.map((_, id) => id).sort((a, b) => scaled[b]! - scaled[a]! || a - b);
  if (s.topK > 0) kept = kept.slice(0, s.topK);
  const weight = (id: number) => Math.exp(scaled[id]!);
  const total = (ids: number[]) => ids.reduce((sum, id) => sum + weight(id), 0);
  if (s.topP < 1) {
    const all = total(kept);
    let mass = 0;
    const end = kept.findIndex((id) => {
      mass += weight(id);
      return mass >= s.topP * all;
    });
    kept = end < 0 ? kept : kept.slice(0, end + 1);
  }
  kept = kept.filter((id) => weight(id) >= s.minP * weight(kept[0]!));
  const sum = total(kept);
  return scaled.map((_, id) => (kept.includes(id) ? weight(id) / sum : 0));
}

const ids = (vocab: number) => fc.array(fc.integer({ min: 0, max: vocab - 1 }), { maxLength: 12 });
const cases = fc.integer({ min: 1, max: 60 }).chain((vocab) =>
  fc.record({
    // Few distinct values make ties common; the wide range makes tails deep.
    logits: fc.oneof(
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: vocab, maxLength: vocab }),
      fc.array(fc.double({ min: -80, max: 80, noNaN: true }), { minLength: vocab, maxLength: vocab }),
      fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: vocab, maxLength: vocab }),
    ),
    promptIds: ids(vocab),
    answerIds: ids(vocab),
    options: fc.record(
      {
        temperature: fc.double({ min: 0.05, max: 2, noNaN: true }),
        topK: fc.integer({ min: 0, max: 70 }),
        // Away from values at which a rounding decides which id completes the prefix.
        topP: fc.constantFrom(0.0713, 0.3157, 0.5123, 0.9031, 0.9517, 1),
        minP: fc.constantFrom(0, 0.0217, 0.1319, 0.9),
        repetitionPenalty: fc.constantFrom(0.7, 1, 1.3, 5),
        presencePenalty: fc.constantFrom(-1.5, 0, 0.6),
        frequencyPenalty: fc.constantFrom(-0.4, 0, 0.5),
        logitBias: fc.array(fc.tuple(fc.integer({ min: 0, max: vocab - 1 }), fc.integer({ min: -100, max: 100 })), {
          maxLength: 4,
        }),
        seed: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        choice: fc.integer({ min: 0, max: 7 }),
      },
      { requiredKeys: ['seed'] },
    ),
  }),
);

test('[SA3] probabilities and drawn ids equal a naive float64 reference for any settings', () => {
  fc.assert(
    fc.property(cases, ({ logits, promptIds, answerIds, options }) => {
      const parsed = samplingSchema.parse(options);
      const raw = Float32Array.from(logits);
      const scratch = new SamplerScratch(raw.length);
      const sampler = new Sampler({ vocab: raw.length, sampling: parsed, promptIds, scratch });
      for (const id of answerIds) sampler.accept(id);
      const position = promptIds.length + answerIds.length;
      const { id } = sampler.sample(raw, position);

      const expected = referenceProbabilities(raw, parsed, promptIds, answerIds);
      const total = scratch.weights.reduce((sum, weight) => sum + weight, 0);
      expected.forEach((probability, at) => {
        assert.ok(Math.abs(scratch.weights[at]! / total - probability) < 1e-12, `id ${at}`);
      });
      let cumulated = 0;
      const u = uniformDraw(parsed.seed, parsed.choice, position);
      assert.equal(
        id,
        expected.findIndex((probability) => {
          cumulated += probability;
          return cumulated > u;
        }),
      );
    }),
    { seed: 20_261_122, numRuns: 2000 },
  );
});

test('[SA4] temperature 0 takes the highest logit, the lowest id on ties, whatever the seed', () => {
  for (const seed of [0, 1, 2 ** 53 - 1]) assert.equal(sampleOnce([1, 4, 4, 2], { temperature: 0, seed }).id, 1);
  assert.equal(sampleOnce([1, 4, 4, 2], { temperature: 0, logitBias: [[3, 2.5]] }).id, 3);
  assert.equal(sampleOnce([1, 4, 3.9, 2], { temperature: 0, repetitionPenalty: 2 }, [1]).id, 2);
});

test('[SA3] bias comes before the repetition penalty, which comes before presence and frequency', () => {
  // Id 0: (−1 + 3) / 2 = 1, then − 0.25 − 2 × 0.25 = 0.25. Any other order falls on the other side of 0.24 or 0.26.
  const options: Partial<Sampling> = {
    temperature: 0,
    logitBias: [[0, 3]],
    repetitionPenalty: 2,
    presencePenalty: 0.25,
    frequencyPenalty: 0.25,
  };
  assert.equal(sampleOnce([-1, 0.24], options, [0], [0, 0]).id, 0);
  assert.equal(sampleOnce([-1, 0.26], options, [0], [0, 0]).id, 1);
});

test('presence and frequency penalties ignore the prompt, the repetition penalty does not', () => {
  assert.equal(sampleOnce([1, 0.9], { temperature: 0, presencePenalty: 1, frequencyPenalty: 1 }, [0, 0]).id, 0);
  assert.equal(sampleOnce([1, 0.9], { temperature: 0, repetitionPenalty: 1.5 }, [0, 0]).id, 1);
  assert.equal(sampleOnce([-1, -1.2], { temperature: 0, repetitionPenalty: 1.5 }, [0]).id, 1);
});

test('top-p keeps the id that reaches p, and top-p is taken of what top-k left', () => {
  const logits = [0.5, 0.25, 0.125, 0.125].map(Math.log);
  const drawn = (options: Partial<Sampling>) => {
    const found = new Set<number>();
    for (let seed = 0; seed < 200; seed++) found.add(sampleOnce(logits, { ...options, seed }).id);
    return [...found].sort();
  };
  assert.deepEqual(drawn({}), [0, 1, 2, 3]);
  assert.deepEqual(drawn({ topP: 0.4 }), [0]);
  assert.deepEqual(drawn({ topP: 0.6 }), [0, 1]);
  assert.deepEqual(drawn({ topP: 0.6, topK: 2 }), [0]);
  assert.deepEqual(drawn({ topK: 3 }), [0, 1, 2]);
  assert.deepEqual(drawn({ minP: 0.4 }), [0, 1]);
});

test('draws follow the distribution (chi-square, fixed seed)', () => {
  const probabilities = [0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.015, 0.005];
  const logits = Float32Array.from(probabilities, Math.log);
  const sampler = new Sampler({ vocab: 8, sampling: sampling({ seed: 99 }), promptIds: [] });
  const count = 50_000;
  const drawn = new Float64Array(8);
  for (let position = 0; position < count; position++) drawn[sampler.sample(logits, position).id]!++;
  const chiSquare = probabilities.reduce((sum, p, id) => sum + (drawn[id]! - p * count) ** 2 / (p * count), 0);
  // 7 degrees of freedom: the 0.9999 quantile is 29.9.
  assert.ok(chiSquare < 29.9, `chi-square ${chiSquare}`);
});

test('[SA2] the draw depends on seed, choice and position alone: a hop that takes over repeats it', () => {
  const logits = Float32Array.from({ length: 300 }, (_, id) => Math.sin(id * 7));
  const options = sampling({ seed: 5, repetitionPenalty: 1.2, frequencyPenalty: 0.3 });
  const first = new Sampler({ vocab: 300, sampling: options, promptIds: [1, 2] });
  const answer: number[] = [];
  for (let position = 2; position < 40; position++) {
    const { id } = first.sample(logits, position);
    const successor = new Sampler({ vocab: 300, sampling: options, promptIds: [1, 2], answerIds: answer });
    assert.equal(successor.sample(logits, position).id, id);
    first.accept(id);
    answer.push(id);
  }
  const otherChoice = new Sampler({ vocab: 300, sampling: { ...options, choice: 1 }, promptIds: [1, 2] });
  const others = answer.map((id, index) => {
    const other = otherChoice.sample(logits, index + 2).id;
    otherChoice.accept(other);
    return other === id;
  });
  assert.ok(others.includes(false));
});

test('[SA5] logprobs are of the raw distribution, best first, ties to the lowest id', () => {
  const logits = [0, 2, 1, 2, -1];
  const normalizer = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  const result = sampleOnce(logits, { temperature: 0, topLogprobs: 4, logitBias: [[4, 100]] }, [1], [1]);
  assert.equal(result.id, 4);
  assert.ok(Math.abs(result.logprob! - (-1 - normalizer)) < 1e-12);
  assert.deepEqual(
    result.top.map(({ id }) => id),
    [1, 3, 2, 0],
  );
  for (const { id, logprob } of result.top) assert.ok(Math.abs(logprob - (logits[id]! - normalizer)) < 1e-12);
  assert.deepEqual(sampleOnce(logits, { topLogprobs: 0 }).top, []);
  assert.equal(sampleOnce(logits, {}).logprob, null);
});

test('[SA7] NaN, +Infinity, nothing but −Infinity and a wrong length are bad output', () => {
  for (const logits of [
    [0, Number.NaN, 1],
    [0, Infinity, 1],
    [-Infinity, -Infinity, -Infinity],
  ]) {
    assert.throws(
      () => sampleOnce(logits, {}),
      (error) => error instanceof VesselError && error.code === 'bad_output',
    );
  }
  const sampler = new Sampler({ vocab: 3, sampling: sampling({}), promptIds: [] });
  assert.throws(() => sampler.sample(new Float32Array(2), 0), { code: 'bad_output' });
  assert.equal(sampleOnce([-Infinity, -5, -Infinity], { topK: 2, topP: 0.9 }).id, 1);
});

test('ids outside the vocabulary are refused', () => {
  assert.throws(() => sampleOnce([0, 1], {}, [2]), { code: 'bad_request' });
  assert.throws(() => sampleOnce([0, 1], { logitBias: [[2, 1]] }), { code: 'bad_request' });
});

test('a large flat vocabulary is cut exactly', () => {
  const vocab = 50_000;
  const scratch = new SamplerScratch(vocab);
  const sampler = new Sampler({ vocab, sampling: sampling({ topP: 0.5 }), promptIds: [], scratch });
  sampler.sample(new Float32Array(vocab), 0);
  assert.equal(scratch.weights.indexOf(0), vocab / 2);
  assert.equal(
    scratch.weights.reduce((sum, weight) => sum + weight, 0),
    vocab / 2,
  );
});
