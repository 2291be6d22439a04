/**
 * The central equality (design M5) on real WebGPU in headless Chromium, in a dedicated worker, with no operator allowed to leave
 * the GPU. Without a graphics card Chromium computes on SwiftShader: slow, so the default set is small. `VESSEL_FULL=1` runs
 * every split of every family and encoding.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { boundaryError, type ModelCase, presetCase, presetNames, stories260K, vesselTiny } from '../../testing/model-case.ts';
import { evenCuts } from '../../testing/shard-chain.ts';
import { type Answer, BrowserHarness, chromiumPath } from './browser-harness.ts';
import type { BuffersReply, DeviceLostReply, GreedyReply, GreedyRequest, Request } from './browser-worker.ts';

/** In parts of the reference's root mean square, as on wasm. */
const tolerance = 5e-5;
const isFull = process.env.VESSEL_FULL === '1';
const skip = existsSync(chromiumPath) ? false : `there is no browser at ${chromiumPath}`;
const blobs = new MemoryBlobs();
let browser: BrowserHarness;

before(async () => {
  if (!skip) browser = await BrowserHarness.start(blobs);
});
after(() => browser?.close());

async function ask<T>(request: Request): Promise<T> {
  const answer = await browser.ask<T>(request);
  if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`);
  return answer.ok;
}

/** 1, 2 and all layers; with VESSEL_FULL 3 and 4 too. */
function partCounts(layers: number): number[] {
  return [...new Set(isFull ? [1, 2, 3, 4, layers] : [1, 2, layers])].filter((parts) => parts <= layers);
}

async function assertSplits(model: ModelCase, parts: number[], on: Partial<GreedyRequest> = {}): Promise<void> {
  const { manifest, prompt, ids } = model;
  for (const count of parts) {
    const cuts = evenCuts(manifest.architecture.layers, count);
    const capacity = prompt.length + ids.length;
    const reply = await ask<GreedyReply>({
      scenario: 'greedy',
      backend: 'webgpu',
      manifest,
      cuts,
      prompt,
      n: ids.length,
      chunk: 16,
      capacity,
      arithmetic: 'f32',
      ...on,
    });
    if (process.env.VESSEL_TRACE)
      console.log(model.name, manifest.dtype, count, Math.round(reply.loadMs), Math.round(reply.runMs));
    assert.deepEqual(reply.ids, ids, `${model.name} in ${count}`);
    for (const [hop, rows] of reply.boundaries.entries()) {
      const error = boundaryError(rows, model.hidden[cuts[hop + 1]! - 1]!);
      assert.ok(error < tolerance, `${model.name} in ${count}, after hop ${hop}: off by ${error}`);
    }
  }
}

for (const preset of presetNames) {
  test(`[M5] WebGPU, ${preset}: splits give the reference's greedy ids and hidden rows`, { skip }, async () => {
    const model = await presetCase(preset, { blobs, n: 4, promptLength: 24 });
    await assertSplits(model, partCounts(model.manifest.architecture.layers));
  });
}

for (const preset of presetNames) {
  test(`[M5] [C2] WebGPU, ${preset}: more than 32 positions in one step give the reference's ids`, { skip }, async () => {
    const model = await presetCase(preset, { blobs, n: 8, promptLength: 40 });
    await assertSplits(model, isFull ? [1, 2] : [1], { chunk: 64 });
  });
}

test("[M5] WebGPU, stories260K: splits give the reference's greedy ids and hidden rows", { skip }, async () => {
  await assertSplits(await stories260K({ blobs, n: 8 }), partCounts(5));
});

test("[M5] WebGPU, vessel-tiny: splits give the reference's greedy ids and hidden rows", { skip }, async () => {
  await assertSplits(await vesselTiny({ blobs, n: 6 }), partCounts(8));
});

for (const dtype of ['q4', 'q8', 'f16'] as const) {
  test(`[M3] WebGPU, ${dtype} weights: the ids of the reference on the same rounded weights`, { skip }, async () => {
    await assertSplits(await stories260K({ blobs, dtype, n: 4 }), isFull ? partCounts(5) : [2]);
    if (!isFull) return;
    for (const preset of presetNames) {
      const model = await presetCase(preset, { blobs, dtype, n: 4 });
      await assertSplits(model, partCounts(model.manifest.architecture.layers));
    }
  });
}

test('[C1] the build for browsers without JSPI gives the same ids', { skip }, async () => {
  await assertSplits(await stories260K({ blobs, n: 3 }), [2], { build: 'webgpu' });
});

test('[C1] the wasm build gives the same ids in the browser, where there is no adapter', { skip }, async () => {
  await assertSplits(await presetCase('gemma3', { blobs, n: 8, promptLength: 24 }), [1, 3], { backend: 'wasm' });
  await assertSplits(await vesselTiny({ blobs, n: 8 }), [2], { backend: 'wasm' });
});

test('[C1] an operator without a GPU kernel is refused, and only because the session is strict', { skip }, async () => {
  const refused: Answer<number[]> = await browser.ask({ scenario: 'cpu-operator', strict: true });
  assert.ok('error' in refused && /fallback|CPU/i.test(refused.error.message), JSON.stringify(refused));
  assert.deepEqual(await ask<number[]>({ scenario: 'cpu-operator', strict: false }), [1, 3]);
});

test('[M3] f16 arithmetic without shader-f16 is refused before anything is loaded', { skip }, async (t) => {
  const { manifest } = await stories260K({ blobs, dtype: 'f16', n: 1 });
  const request = { scenario: 'canary', backend: 'webgpu', manifest, capacity: 16 } as const;
  const answer: Answer<unknown> = await browser.ask({ ...request, arithmetic: 'f16' });
  if ('ok' in answer) return t.skip('this adapter has shader-f16');
  assert.equal(answer.error.code, 'unsupported');
  assert.match(answer.error.message, /shader-f16/);
});

test('[C2] the canary passes on a sound device', { skip }, async () => {
  const { manifest } = await stories260K({ blobs, n: 1 });
  const { error } = await ask<{ error: number }>({ scenario: 'canary', backend: 'webgpu', manifest, capacity: 16 });
  assert.ok(error < 1e-4, `off by ${error}`);
});

test('[C1] a lost device is told as such, and the shard can be loaded again in the same worker', { skip }, async () => {
  const { manifest } = await stories260K({ blobs, n: 1 });
  const reply = await ask<DeviceLostReply>({ scenario: 'device-lost', backend: 'webgpu', manifest, capacity: 16 });
  assert.deepEqual(reply, { first: 'device_lost', after: 'device_lost', isSameAfterReload: true });
});

test('[M4] KV takes what cacheBytes says, is freed on release, and nothing is left on the GPU after dispose', {
  skip,
}, async () => {
  const { manifest } = await stories260K({ blobs, n: 1 });
  const reply = await ask<BuffersReply>({ scenario: 'buffers', backend: 'webgpu', manifest, capacity: 128 });
  assert.equal(reply.openedBytes, reply.cacheBytes);
  assert.equal(reply.releasedBytes, reply.cacheBytes);
  assert.equal(reply.atEnd.live, 0, JSON.stringify(reply));
});
