import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { presetCase } from '../../testing/model-case.ts';
import { shardRuntimeSuite } from '../../testing/shard-runtime-suite.ts';
import { loadOrtNode } from './load-ort-node.ts';
import { createOrtRuntime, type OrtRuntimeOptions } from './ort-runtime.ts';

const ort = loadOrtNode();
/** As in a browser, where the KV goes in and out of the runtime at each step. */
const withoutHeap = { env: ort.env, InferenceSession: ort.InferenceSession, Tensor: ort.Tensor };
const blobs = new MemoryBlobs();
const { manifest } = await presetCase('gemma3', { blobs, n: 1 });

function options(from: number, to: number, more: Partial<OrtRuntimeOptions> = {}): OrtRuntimeOptions {
  return { ort, backend: 'wasm', shard: { manifest, from, to }, blobs, context: 64, ...more };
}

shardRuntimeSuite('ONNX Runtime on wasm, f32', async () => ({
  name: 'wasm',
  manifest,
  load: (from, to) => createOrtRuntime(options(from, to)),
  tolerance: 1e-4,
}));

shardRuntimeSuite('ONNX Runtime on wasm, f16', async () => ({
  name: 'wasm f16',
  manifest,
  load: (from, to) => createOrtRuntime(options(from, to, { arithmetic: 'f16' })),
  tolerance: 5e-2,
}));

shardRuntimeSuite('ONNX Runtime on wasm without access to its memory, f32', async () => ({
  name: 'wasm, growing',
  manifest,
  load: (from, to) => createOrtRuntime(options(from, to, { ort: withoutHeap })),
  tolerance: 1e-4,
}));

shardRuntimeSuite('ONNX Runtime on wasm without access to its memory, f16', async () => ({
  name: 'wasm, growing, f16',
  manifest,
  load: (from, to) => createOrtRuntime(options(from, to, { ort: withoutHeap, arithmetic: 'f16' })),
  tolerance: 5e-2,
}));

test('[M4] in Node KV lives in the memory of the runtime, and opening and releasing caches does not make it grow', async () => {
  const runtime = await createOrtRuntime(options(0, 7));
  const module = ort.wasmModule!()!;
  const bytes: number[] = [];
  for (let round = 0; round < 200; round++) {
    const cache = runtime.createCache(64);
    await runtime.step(cache, { kind: 'tokens', ids: Int32Array.of(1, 2, 3) });
    cache.release();
    if (round >= 100) bytes.push(module.HEAPU8.length);
  }
  assert.equal(new Set(bytes).size, 1);
  await runtime.dispose();
});

test('an adapter says what computes, and arithmetic what it computes in', async () => {
  const runtime = await createOrtRuntime(options(0, 1));
  assert.deepEqual([runtime.backend, runtime.adapter, runtime.arithmetic], ['wasm', 'wasm 1 thread', 'f32']);
  await runtime.dispose();
});

test('a range that is not in the model and a context beyond it are refused', async () => {
  await assert.rejects(createOrtRuntime(options(3, 3)), { code: 'bad_request' });
  await assert.rejects(createOrtRuntime(options(0, 8)), { code: 'bad_request' });
  await assert.rejects(createOrtRuntime(options(0, 7, { context: 513 })), { code: 'context_exceeded' });
});

test('loading can be cancelled and says how far it is', async () => {
  const abort = new AbortController();
  const seen: number[] = [];
  const onProgress = ({ loadedBytes, totalBytes }: { loadedBytes: number; totalBytes: number }): void => {
    seen.push(loadedBytes / totalBytes);
    if (seen.length === 5) abort.abort();
  };
  await assert.rejects(createOrtRuntime(options(0, 7, { signal: abort.signal, onProgress })), { code: 'cancelled' });
  assert.equal(seen.length, 5);
  assert.ok(seen.every((part, i) => part > (seen[i - 1] ?? 0) && part < 1));
});

test('WebGPU where there is none is unsupported, not a crash', async () => {
  await assert.rejects(createOrtRuntime(options(0, 1, { backend: 'webgpu' })), { code: 'unsupported' });
});
