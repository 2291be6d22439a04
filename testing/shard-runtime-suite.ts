/** What every ShardRuntime promises, run on each implementation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCanary } from '../provider/runtime/canary.ts';
import type { ShardRuntime, StepInput, StepResult } from '../provider/runtime/shard-runtime.ts';
import type { LanguageManifest } from '../shared/models/manifest.ts';

export interface RuntimeUnderTest {
  name: string;
  /** A model of at least two layers and a context of at least 32. */
  manifest: LanguageManifest;
  load(from: number, to: number): Promise<ShardRuntime>;
  /** Largest difference between two values that should be equal, in parts of the larger of 1 and the value. */
  tolerance: number;
}

export function shardRuntimeSuite(name: string, open: () => Promise<RuntimeUnderTest>): void {
  const tokens = (...ids: number[]): StepInput => ({ kind: 'tokens', ids: Int32Array.from(ids) });
  const layersOf = (subject: RuntimeUnderTest): number => subject.manifest.architecture.layers;

  async function withRuntime(
    part: 'first' | 'last' | 'whole',
    body: (runtime: ShardRuntime, subject: RuntimeUnderTest) => Promise<void>,
  ): Promise<void> {
    const subject = await open();
    const runtime = await subject.load(part === 'last' ? 1 : 0, part === 'first' ? 1 : layersOf(subject));
    try {
      await body(runtime, subject);
    } finally {
      await runtime.dispose();
    }
  }

  test(`${name}: a first shard gives a row of hidden values for every token`, () =>
    withRuntime('first', async (runtime, { manifest }) => {
      const result = await runtime.step(runtime.createCache(8), tokens(1, 2, 3));
      assert.equal(result.kind, 'hidden');
      assert.equal(result.values.length, 3 * manifest.architecture.hidden);
    }));

  test(`${name}: a last shard takes hidden rows and gives the logits of the last position`, () =>
    withRuntime('last', async (runtime, { manifest }) => {
      const { hidden, vocab } = manifest.architecture;
      const values = Float32Array.from({ length: 2 * hidden }, (_, i) => Math.cos(i));
      const result = await runtime.step(runtime.createCache(8), { kind: 'hidden', values });
      assert.equal(result.kind, 'logits');
      assert.equal(result.values.length, vocab);
    }));

  test(`${name}: a cache counts its positions, and starts with none`, () =>
    withRuntime('whole', async (runtime) => {
      const cache = runtime.createCache(8);
      assert.deepEqual([cache.length, cache.capacity, cache.bytes], [0, 8, runtime.cacheBytes(8)]);
      await runtime.step(cache, tokens(1, 2, 3));
      await runtime.step(cache, tokens(4));
      assert.equal(cache.length, 4);
    }));

  test(`${name}: several positions in one step give what single steps give`, () =>
    withRuntime('whole', async (runtime, subject) => {
      const [together, apart] = [runtime.createCache(8), runtime.createCache(8)];
      const expected = await runtime.step(together, tokens(5, 6, 7, 8));
      let found = expected;
      for (const id of [5, 6, 7, 8]) found = await runtime.step(apart, tokens(id));
      assertClose(found, expected, subject.tolerance);
    }));

  test(`${name}: a cache cut and continued gives what a fresh one gives`, () =>
    withRuntime('whole', async (runtime, subject) => {
      const [cut, fresh] = [runtime.createCache(8), runtime.createCache(8)];
      await runtime.step(cut, tokens(5, 6, 9, 9, 9));
      cut.truncate(2);
      assert.equal(cut.length, 2);
      const found = await runtime.step(cut, tokens(7, 8));
      await runtime.step(fresh, tokens(5, 6));
      assertClose(found, await runtime.step(fresh, tokens(7, 8)), subject.tolerance);
      cut.truncate(0);
      fresh.truncate(0);
      assertClose(await runtime.step(cut, tokens(3)), await runtime.step(fresh, tokens(3)), subject.tolerance);
    }));

  test(`${name}: caches of several sessions do not see each other`, () =>
    withRuntime('whole', async (runtime, subject) => {
      const [a, b, alone] = [runtime.createCache(8), runtime.createCache(16), runtime.createCache(8)];
      await runtime.step(a, tokens(1, 2));
      await runtime.step(b, tokens(9, 8, 7));
      const found = await runtime.step(a, tokens(3));
      await runtime.step(alone, tokens(1, 2));
      assertClose(found, await runtime.step(alone, tokens(3)), subject.tolerance);
    }));

  test(`${name}: what does not fit is context_exceeded and leaves the cache as it was`, () =>
    withRuntime('whole', async (runtime) => {
      const cache = runtime.createCache(4);
      await runtime.step(cache, tokens(1, 2, 3));
      await assert.rejects(runtime.step(cache, tokens(4, 5)), { code: 'context_exceeded' });
      assert.equal(cache.length, 3);
      await runtime.step(cache, tokens(4));
      await assert.rejects(runtime.step(cache, tokens(5)), { code: 'context_exceeded' });
      assert.throws(() => runtime.createCache(0), { code: 'context_exceeded' });
      assert.throws(() => runtime.createCache(1e9), { code: 'context_exceeded' });
    }));

  test(`${name}: tokens outside the vocabulary, empty steps and the wrong kind of input are bad requests`, () =>
    withRuntime('first', async (runtime, { manifest }) => {
      const cache = runtime.createCache(4);
      const { vocab, hidden } = manifest.architecture;
      await assert.rejects(runtime.step(cache, tokens(vocab)), { code: 'bad_request' });
      await assert.rejects(runtime.step(cache, tokens(-1)), { code: 'bad_request' });
      await assert.rejects(runtime.step(cache, tokens()), { code: 'bad_request' });
      await assert.rejects(runtime.step(cache, { kind: 'hidden', values: new Float32Array(hidden) }), { code: 'bad_request' });
      assert.equal(cache.length, 0);
    }));

  test(`${name}: a cache cannot be cut to more than it holds`, () =>
    withRuntime('first', async (runtime) => {
      const cache = runtime.createCache(4);
      await runtime.step(cache, tokens(1, 2));
      for (const length of [3, -1, 0.5]) assert.throws(() => cache.truncate(length), { code: 'wrong_position' });
    }));

  test(`${name}: NaN in gives bad_output and the cache does not grow`, () =>
    withRuntime('last', async (runtime, { manifest }) => {
      const cache = runtime.createCache(4);
      const values = new Float32Array(manifest.architecture.hidden).fill(Number.NaN);
      await assert.rejects(runtime.step(cache, { kind: 'hidden', values }), { code: 'bad_output' });
      assert.equal(cache.length, 0);
      // What the failed step left behind must not reach the next one.
      await runtime.step(cache, { kind: 'hidden', values: values.map((_, i) => Math.sin(i)) });
    }));

  test(`${name}: a released cache is refused, and releasing twice is harmless`, () =>
    withRuntime('first', async (runtime) => {
      const cache = runtime.createCache(4);
      cache.release();
      cache.release();
      await assert.rejects(runtime.step(cache, tokens(1)), { code: 'unknown_session' });
    }));

  test(`${name}: a cache released during a step ends that step as cancelled and no other`, () =>
    withRuntime('first', async (runtime) => {
      const [gone, kept] = [runtime.createCache(4), runtime.createCache(4)];
      const steps = [runtime.step(gone, tokens(1, 2)), runtime.step(kept, tokens(1, 2))];
      gone.release();
      await assert.rejects(steps[0]!, { code: 'cancelled' });
      assert.equal((await steps[1]!).kind, 'hidden');
    }));

  test(`${name}: the canary passes on the first, the last and the whole shard`, async () => {
    for (const part of ['first', 'last', 'whole'] as const) {
      await withRuntime(part, async (runtime, subject) => {
        const { error } = await runCanary(runtime);
        assert.ok(error <= subject.tolerance, `off by ${error}`);
      });
    }
  });

  test(`${name}: a disposed runtime refuses to work`, async () => {
    const subject = await open();
    const runtime = await subject.load(0, layersOf(subject));
    const cache = runtime.createCache(4);
    await runtime.dispose();
    await runtime.dispose();
    await assert.rejects(runtime.step(cache, tokens(1)));
    assert.throws(() => runtime.createCache(4));
  });
}

function assertClose(found: StepResult, expected: StepResult, tolerance: number): void {
  assert.equal(found.kind, expected.kind);
  assert.equal(found.values.length, expected.values.length);
  for (let i = 0; i < expected.values.length; i++) {
    const [a, b] = [found.values[i]!, expected.values[i]!];
    assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `value ${i}: ${a} instead of ${b}`);
  }
}
