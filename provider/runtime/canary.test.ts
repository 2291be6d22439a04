import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeRuntime } from '../../testing/fake-runtime.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { presetCase } from '../../testing/model-case.ts';
import { runCanary } from './canary.ts';

const { manifest } = await presetCase('llama', { blobs: new MemoryBlobs(), n: 1 });
const shard = { manifest, from: 0, to: 2 };

test('[C2] an honest runtime passes and leaves no cache behind', async () => {
  const runtime = new FakeRuntime(shard);
  assert.equal((await runCanary(runtime)).error, 0);
  assert.equal(runtime.openCaches, 0);
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
