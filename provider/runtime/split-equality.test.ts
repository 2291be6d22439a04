/** The central equality (design M5) on wasm: however a model is cut, it answers as the whole one does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelDtype } from '../../shared/models/manifest.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import {
  boundaryError,
  type ModelCase,
  presetCase,
  presetNames,
  relativeError,
  stories260K,
  storiesSamples,
  vesselTiny,
  vesselTinySamples,
} from '../../testing/model-case.ts';
import { evenCuts, loadChain, type ShardChain } from '../../testing/shard-chain.ts';
import { loadOrtNode } from './load-ort-node.ts';
import { createOrtRuntime } from './ort-runtime.ts';

/** Largest error of a hidden row or a logit, in parts of the reference's root mean square. Measured: 1e-5 and 1e-2. */
const tolerance = { f32: 5e-5, f16: 3e-2 };
const ort = loadOrtNode();

function load(model: ModelCase, blobs: MemoryBlobs, cuts: number[], arithmetic: 'f32' | 'f16' = 'f32'): Promise<ShardChain> {
  return loadChain(model.manifest, blobs, cuts, (shard, reader) =>
    createOrtRuntime({ ort, backend: 'wasm', shard, blobs: reader, arithmetic, context: 256 }),
  );
}

/** 1, 2, 3, 4 and all layers, as far as the model has them. */
function partCounts(layers: number): number[] {
  return [...new Set([1, 2, 3, 4, layers])].filter((parts) => parts <= layers);
}

async function assertSplits(model: ModelCase, blobs: MemoryBlobs, parts: number[], chunk: number): Promise<void> {
  for (const count of parts) {
    const cuts = evenCuts(model.manifest.architecture.layers, count);
    const chain = await load(model, blobs, cuts);
    const session = chain.open(model.prompt.length + model.ids.length);
    assert.deepEqual(await session.greedy(model.prompt, model.ids.length, chunk), model.ids, `${model.name} in ${count}`);
    for (const [hop, rows] of session.boundaries.entries()) {
      const error = boundaryError(rows, model.hidden[cuts[hop + 1]! - 1]!);
      assert.ok(error < tolerance.f32, `${model.name} in ${count}, after hop ${hop}: off by ${error}`);
    }
    await chain.dispose();
  }
}

for (const preset of presetNames) {
  test(`[M5] ${preset}: every split gives the reference's greedy ids and hidden rows`, async () => {
    const blobs = new MemoryBlobs();
    // 40 positions in chunks of 16: longer than the chunk and than every sliding window of the presets.
    const model = await presetCase(preset, { blobs, n: 16, promptLength: 40 });
    await assertSplits(model, blobs, partCounts(model.manifest.architecture.layers), 16);
  });
}

test("[M5] stories260K: every split gives the reference's greedy ids and hidden rows", async () => {
  const blobs = new MemoryBlobs();
  const model = await stories260K({ blobs, n: 32 });
  await assertSplits(model, blobs, partCounts(5), 64);
});

test("[M5] vessel-tiny: every split gives the reference's greedy ids and hidden rows", async () => {
  const blobs = new MemoryBlobs();
  const model = await vesselTiny({ blobs, n: 16 });
  await assertSplits(model, blobs, partCounts(8), 64);
});

test('[M5] the published greedy ids of stories260K and vessel-tiny come out of a split in three', async () => {
  for (const [build, samples] of [
    [stories260K, await storiesSamples()],
    [vesselTiny, await vesselTinySamples()],
  ] as const) {
    const blobs = new MemoryBlobs();
    const model = await build({ blobs, n: 1 });
    const chain = await load(model, blobs, evenCuts(model.manifest.architecture.layers, 3));
    for (const { input_ids: prompt, greedy_ids: ids } of samples) {
      const session = chain.open(prompt.length + ids.length);
      assert.deepEqual(await session.greedy(prompt, ids.length), ids);
      session.release();
    }
    await chain.dispose();
  }
});

test('a prompt longer than two prefill chunks gives the same ids whatever the chunk', async () => {
  const blobs = new MemoryBlobs();
  const model = await presetCase('gemma3', { blobs, n: 8, promptLength: 150 });
  const chain = await load(model, blobs, [0, 3, 7]);
  for (const chunk of [150, 64, 17, 1]) {
    const session = chain.open(160);
    assert.deepEqual(await session.greedy(model.prompt, 8, chunk), model.ids, `chunks of ${chunk}`);
    session.release();
  }
  await chain.dispose();
});

test('a cache that was cut and continued gives exactly what a fresh one gives', async () => {
  const blobs = new MemoryBlobs();
  const model = await presetCase('gemma3', { blobs, n: 8, promptLength: 24 });
  const chain = await load(model, blobs, [0, 3, 7]);
  const session = chain.open(64);
  await session.greedy(model.prompt, 8);
  // Down to ten positions of the prompt, past a wrong turn, and back to the true one.
  session.truncate(10);
  await session.step([1, 2, 3, 4, 5]);
  session.truncate(10);
  assert.deepEqual(await session.greedy(model.prompt.slice(10), 8), model.ids);
  await chain.dispose();
});

for (const dtype of ['q8', 'q4', 'f16'] satisfies ModelDtype[]) {
  test(`[M3] ${dtype} weights in f32 arithmetic give the ids of the reference on the same rounded weights`, async () => {
    for (const build of [stories260K, vesselTiny]) {
      const blobs = new MemoryBlobs();
      const model = await build({ blobs, dtype, n: 16 });
      await assertSplits(model, blobs, [1, 2], 64);
    }
    for (const preset of ['llama', 'smollm2', 'qwen2', 'qwen3Padded', 'gemma3'] as const) {
      const blobs = new MemoryBlobs();
      const model = await presetCase(preset, { blobs, dtype, n: 8 });
      await assertSplits(model, blobs, [1, 2], 64);
    }
  });
}

test(`[M3] f16 arithmetic keeps logits and hidden rows within ${tolerance.f16} of the reference's root mean square`, async () => {
  for (const preset of presetNames) {
    for (const dtype of ['f16', 'q4'] as const) {
      const blobs = new MemoryBlobs();
      const model = await presetCase(preset, { blobs, dtype, n: 1 });
      const cuts = evenCuts(model.manifest.architecture.layers, 2);
      const chain = await load(model, blobs, cuts, 'f16');
      const session = chain.open(64);
      const logits = await session.step(model.prompt);
      const [logitError, rowError] = [
        relativeError(logits, model.logits),
        boundaryError(session.boundaries[0]!, model.hidden[cuts[1]! - 1]!),
      ];
      assert.ok(logitError < tolerance.f16, `${preset} ${dtype}: logits off by ${logitError}`);
      assert.ok(rowError < tolerance.f16, `${preset} ${dtype}: rows off by ${rowError}`);
      await chain.dispose();
    }
  }
});

test('f16 arithmetic on an f16 model keeps the greedy ids of the trained models', async () => {
  for (const build of [stories260K, vesselTiny]) {
    const blobs = new MemoryBlobs();
    const model = await build({ blobs, dtype: 'f16', n: 16 });
    const chain = await load(model, blobs, evenCuts(model.manifest.architecture.layers, 2), 'f16');
    assert.deepEqual(await chain.open(64).greedy(model.prompt, 16), model.ids);
    await chain.dispose();
  }
});
