import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeRuntime } from '../../testing/fake-runtime.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { presetCase } from '../../testing/model-case.ts';
import { runCanary } from './canary.ts';
import type { StepInput } from './shard-runtime.ts';

const { manifest } = await presetCase('llama', { blobs: new MemoryBlobs(), n: 1 });
const shard = { manifest, from: 0, to: 2 };

test('[C2] an honest runtime passes and leaves no cache behind', async () => {
  const runtime = new FakeRuntime(shard);
  assert.equal((await runCanary(runtime)).error, 0);
  assert.equal(runtime.openCaches, 0);
});

test('[C2] a device that is wrong in long steps gets short ones, and then answers as a sound one', async () => {
  const isLong = (rows: number): boolean => rows >= 32;
  for (const part of [shard, { ...shard, from: 1, to: 3 }]) {
    const { hidden } = manifest.architecture;
    const wrong = new FakeRuntime(part, { tamper: (values) => void (isLong(values.length / hidden) && values.reverse()) });
    const sound = new FakeRuntime(part);
    const { runtime } = await runCanary(wrong);
    assert.notEqual(runtime, wrong);
    assert.equal((await runCanary(sound)).runtime, sound);
    const input: StepInput =
      part.from === 0
        ? { kind: 'tokens', ids: Int32Array.from({ length: 64 }, (_, i) => i) }
        : { kind: 'hidden', values: Float32Array.from({ length: 64 * hidden }, (_, i) => Math.cos(i)) };
    const [found, expected] = await Promise.all(
      [runtime, sound].map((each) => each.step(each.createCache(64), structuredClone(input))),
    );
    assert.deepEqual(found, expected);
  }
});

test('[C2] NaN in long steps alone is cured in the same way; a device that is wrong in every size is not', async () => {
  const { hidden } = manifest.architecture;
  const nan = new FakeRuntime(shard, { tamper: (values) => void (values.length / hidden >= 32 && values.fill(Number.NaN)) });
  assert.notEqual((await runCanary(nan)).runtime, nan);
  const wrong = new FakeRuntime(shard, { tamper: (values) => void (values.length / hidden > 5 && values.reverse()) });
  await assert.rejects(runCanary(wrong), { code: 'bad_output' });
  assert.equal(nan.openCaches + wrong.openCaches, 0);
});

test('[C2] zeros, NaN and noise are bad_output, and no cache stays behind', async () => {
  let calls = 0;
  const faults: ((values: Float32Array) => void)[] = [
    (values) => values.fill(0),
    (values) => values.fill(Number.NaN, 3, 4),
    (values) => values.fill(Number.POSITIVE_INFINITY, 0, 1),
    // A kernel that answers otherwise from call to call.
    (values) => values.set([++calls], values.length - 1),
  ];
  for (const tamper of faults) {
    const runtime = new FakeRuntime(shard, { tamper });
    await assert.rejects(runCanary(runtime), { code: 'bad_output' });
    assert.equal(runtime.openCaches, 0);
  }
});
