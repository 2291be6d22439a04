import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeRuntime } from './fake-runtime.ts';
import { MemoryBlobs } from './memory-blobs.ts';
import { presetCase } from './model-case.ts';
import { ShardChain } from './shard-chain.ts';
import { shardRuntimeSuite } from './shard-runtime-suite.ts';

const { manifest } = await presetCase('llama', { blobs: new MemoryBlobs(), n: 1 });

shardRuntimeSuite('fake', async () => ({
  name: 'fake',
  manifest,
  load: async (from, to) => new FakeRuntime({ manifest, from, to }),
  tolerance: 1e-6,
}));

test('the fake gives the same ids however its layers are cut, and other ids for another prompt', async () => {
  const answer = (cuts: number[], prompt: number[]): Promise<number[]> => {
    const chain = new ShardChain(cuts.slice(1).map((to, part) => new FakeRuntime({ manifest, from: cuts[part]!, to })));
    return chain.open(32).greedy(prompt, 12, 4);
  };
  const whole = await answer([0, 4], [9, 8, 7, 6, 5]);
  for (const cuts of [
    [0, 2, 4],
    [0, 1, 3, 4],
    [0, 1, 2, 3, 4],
  ])
    assert.deepEqual(await answer(cuts, [9, 8, 7, 6, 5]), whole);
  assert.notDeepEqual(await answer([0, 4], [9, 8, 7, 6, 4]), whole);
  assert.notDeepEqual(await answer([0, 4], [1, 8, 7, 6, 5]), whole);
  assert.ok(new Set(whole).size > 4, `the answer varies: ${whole}`);
});

test('a tampered fake is still well formed but answers otherwise', async () => {
  const shard = { manifest, from: 0, to: 4 };
  const honest = new FakeRuntime(shard);
  const liar = new FakeRuntime(shard, { tamper: (values) => values.fill(1, 0, 1) });
  const input = { kind: 'tokens', ids: Int32Array.of(1) } as const;
  const [a, b] = [await honest.step(honest.createCache(2), input), await liar.step(liar.createCache(2), input)];
  assert.notDeepEqual(a.values, b.values);
  await liar.dispose();
  assert.equal(liar.openCaches, 0);
});
