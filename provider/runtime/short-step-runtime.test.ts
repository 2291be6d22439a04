import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeRuntime } from '../../testing/fake-runtime.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { presetCase } from '../../testing/model-case.ts';
import { shardRuntimeSuite } from '../../testing/shard-runtime-suite.ts';
import { ShortStepRuntime } from './short-step-runtime.ts';

const { manifest } = await presetCase('llama', { blobs: new MemoryBlobs(), n: 1 });

shardRuntimeSuite('short steps', async () => ({
  name: 'short steps',
  manifest,
  load: async (from, to) => new ShortStepRuntime(new FakeRuntime({ manifest, from, to }), 2),
  tolerance: 1e-6,
}));

test('no step of the inner runtime is longer than the limit, and no position is lost', async () => {
  const sizes: number[] = [];
  const inner = new FakeRuntime({ manifest, from: 0, to: 2 }, { onStep: (count) => void sizes.push(count) });
  const runtime = new ShortStepRuntime(inner, 3);
  const cache = runtime.createCache(16);
  await runtime.step(cache, { kind: 'tokens', ids: Int32Array.of(1, 2, 3, 4, 5, 6, 7) });
  await runtime.step(cache, { kind: 'tokens', ids: Int32Array.of(8) });
  assert.deepEqual(sizes, [3, 3, 1, 1]);
  assert.equal(cache.length, 8);
});

test('a step that fails in a later piece leaves the cache as it was', async () => {
  let steps = 0;
  const inner = new FakeRuntime({ manifest, from: 0, to: 2 }, { tamper: (values) => void (++steps === 3 && values.fill(0)) });
  const runtime = new ShortStepRuntime(inner, 2);
  const cache = runtime.createCache(16);
  await runtime.step(cache, { kind: 'tokens', ids: Int32Array.of(1) });
  await assert.rejects(runtime.step(cache, { kind: 'tokens', ids: Int32Array.of(2, 3, 4, 5) }), { code: 'bad_output' });
  assert.equal(cache.length, 1);
});
