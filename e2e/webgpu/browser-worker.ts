/// <reference lib="webworker" />
/**
 * Runs inside a dedicated worker of the test page: one scenario per message, with the real runtime on the real build. The test
 * bundles this file and gives it models over HTTP.
 */
import { runCanary } from '../../provider/runtime/canary.ts';
import { chooseOrtBuild, loadOrt, type OrtBuild } from '../../provider/runtime/load-ort.ts';
import type { OrtModule } from '../../provider/runtime/ort-module.ts';
import { createOrtRuntime } from '../../provider/runtime/ort-runtime.ts';
import type { Backend, ShardRuntime } from '../../provider/runtime/shard-runtime.ts';
import type { LanguageManifest } from '../../shared/models/manifest.ts';
import { encodeOnnxModel } from '../../shared/models/onnx/onnx-model.ts';
import { toVesselError } from '../../shared/protocol/errors.ts';
import { loadChain, type ShardChain } from '../../testing/shard-chain.ts';
import { type BufferCount, countGpuBuffers } from './count-gpu-buffers.ts';
import { HttpBlobs } from './http-blobs.ts';

interface ModelRequest {
  manifest: LanguageManifest;
  backend: Backend;
  capacity: number;
  arithmetic?: 'f32' | 'f16';
  /** The build of the runtime, if not the browser's best. */
  build?: OrtBuild;
}
/** A chain over `cuts`; it stays loaded until the next scenario, because compiled shaders die with the last session. */
export interface GreedyRequest extends ModelRequest {
  scenario: 'greedy';
  cuts: number[];
  prompt: number[];
  n: number;
  chunk: number;
}
export interface GreedyReply {
  ids: number[];
  boundaries: number[][];
  adapter: string;
  arithmetic: string;
  loadMs: number;
  runMs: number;
}
/** Milliseconds of steps of the given sizes over the whole model. */
export interface TimingsRequest extends ModelRequest {
  scenario: 'timings';
  counts: number[];
}
/** Whether a session whose only operator has no GPU kernel is refused. */
export interface CpuOperatorRequest {
  scenario: 'cpu-operator';
  strict: boolean;
}
export interface CanaryRequest extends ModelRequest {
  scenario: 'canary';
}
/** Loses the device between two steps, then loads the shard again and repeats the step. */
export interface DeviceLostRequest extends ModelRequest {
  scenario: 'device-lost';
}
export interface DeviceLostReply {
  first: string;
  after: string;
  isSameAfterReload: boolean;
}
/** Buffers on the device before and after a session opens, works, is released and the runtime is disposed. */
export interface BuffersRequest extends ModelRequest {
  scenario: 'buffers';
}
export interface BuffersReply {
  cacheBytes: number;
  openedBytes: number;
  releasedBytes: number;
  copiedPerStep: number;
  atEnd: BufferCount;
}
export type Request = GreedyRequest | TimingsRequest | CpuOperatorRequest | CanaryRequest | DeviceLostRequest | BuffersRequest;

const buffers = countGpuBuffers();

const blobs = new HttpBlobs();
const builds = new Map<OrtBuild, Promise<OrtModule>>();
let loaded: ShardChain | null = null;

function ortFor(backend: Backend, build = chooseOrtBuild(backend)): Promise<OrtModule> {
  let ort = builds.get(build);
  if (!ort) {
    ort = loadOrt(backend, { wasmPaths: `${self.location.origin}/ort/`, build });
    builds.set(build, ort);
  }
  return ort;
}

async function loadCuts({ manifest, backend, capacity, arithmetic, build }: ModelRequest, cuts: number[]): Promise<ShardChain> {
  const ort = await ortFor(backend, build);
  const chain = await loadChain(manifest, blobs, cuts, async (shard, reader) => {
    const runtime = await createOrtRuntime({ ort, backend, shard, blobs: reader, context: capacity, arithmetic });
    // As a provider does before it offers a shard. Where no step can be long, the canary would only cost time.
    return capacity > 31 ? (await runCanary(runtime)).runtime : runtime;
  });
  await loaded?.dispose();
  loaded = chain;
  return chain;
}

async function loadWhole(request: ModelRequest): Promise<ShardRuntime> {
  return (await loadCuts(request, [0, request.manifest.architecture.layers])).runtimes[0]!;
}

async function greedy(request: GreedyRequest): Promise<GreedyReply> {
  const start = performance.now();
  const chain = await loadCuts(request, request.cuts);
  const ready = performance.now();
  const session = chain.open(request.capacity);
  const ids = await session.greedy(request.prompt, request.n, request.chunk);
  const { adapter, arithmetic } = chain.runtimes[0]!;
  session.release();
  return { ids, boundaries: session.boundaries, adapter, arithmetic, loadMs: ready - start, runMs: performance.now() - ready };
}

async function timings(request: TimingsRequest): Promise<number[]> {
  const runtime = await loadWhole(request);
  const cache = runtime.createCache(request.capacity);
  const taken: number[] = [];
  for (const count of request.counts) {
    const start = performance.now();
    await runtime.step(cache, { kind: 'tokens', ids: new Int32Array(count).fill(3) });
    taken.push(performance.now() - start);
  }
  return taken;
}

async function cpuOperator({ strict }: CpuOperatorRequest): Promise<number[]> {
  const ort = await ortFor('webgpu');
  const model = encodeOnnxModel({
    nodes: [{ op: 'NonZero', domain: '', inputs: ['in'], outputs: ['out'], attributes: {} }],
    inputs: [{ name: 'in', type: 'f32', shape: ['n'] }],
    outputs: [{ name: 'out', type: 'i64', shape: [1, 'found'] }],
    constants: [],
    externals: [],
  });
  const extra = strict ? { session: { disable_cpu_ep_fallback: '1' } } : {};
  const session = await ort.InferenceSession.create(model, { executionProviders: ['webgpu'], extra });
  const { out } = await session.run({ in: new ort.Tensor('float32', Float32Array.of(0, 5, 0, 7), [4]) });
  const found = [...(out!.data as BigInt64Array)].map(Number);
  await session.release();
  return found;
}

async function deviceLost(request: DeviceLostRequest): Promise<DeviceLostReply> {
  const step = { kind: 'tokens', ids: Int32Array.of(1, 2, 3) } as const;
  const runtime = await loadWhole(request);
  const before = (await runtime.step(runtime.createCache(16), step)).values;
  const ort = await ortFor('webgpu');
  (await ort.env.webgpu.device).destroy();
  const cache = runtime.createCache(16);
  const codeOf = (thrown: unknown): string => toVesselError(thrown).code;
  const first = await runtime.step(cache, step).then(() => 'no error', codeOf);
  const after = await runtime.step(cache, step).then(() => 'no error', codeOf);
  await loaded!.dispose();
  loaded = null;
  const again = await loadWhole(request);
  const values = (await again.step(again.createCache(16), step)).values;
  return { first, after, isSameAfterReload: values.every((value, i) => value === before[i]) };
}

async function countBuffers(request: BuffersRequest): Promise<BuffersReply> {
  const runtime = await loadWhole(request);
  const step = { kind: 'tokens', ids: Int32Array.of(5) } as const;
  const before = buffers.bytes;
  const cache = runtime.createCache(request.capacity);
  const openedBytes = buffers.bytes - before;
  await runtime.step(cache, step);
  await runtime.step(cache, step);
  const created = buffers.created;
  await runtime.step(cache, step);
  const copiedPerStep = buffers.created - created;
  const beforeRelease = buffers.bytes;
  cache.release();
  const releasedBytes = beforeRelease - buffers.bytes;
  // A cache left open on purpose: disposing has to find it.
  runtime.createCache(request.capacity);
  await loaded!.dispose();
  loaded = null;
  return { cacheBytes: runtime.cacheBytes(request.capacity), openedBytes, releasedBytes, copiedPerStep, atEnd: { ...buffers } };
}

function run(request: Request): Promise<unknown> {
  switch (request.scenario) {
    case 'greedy':
      return greedy(request);
    case 'timings':
      return timings(request);
    case 'cpu-operator':
      return cpuOperator(request);
    case 'canary':
      return loadWhole(request).then(async (runtime) => ({ error: (await runCanary(runtime)).error }));
    case 'device-lost':
      return deviceLost(request);
    case 'buffers':
      return countBuffers(request);
    default:
      return request satisfies never;
  }
}

self.onmessage = async (event: MessageEvent<Request>) => {
  // What the harness quotes if no answer comes.
  console.log(`scenario ${event.data.scenario}`);
  try {
    self.postMessage({ ok: await run(event.data) });
  } catch (thrown) {
    const error = toVesselError(thrown);
    self.postMessage({ error: { code: error.code, message: error.message } });
  }
};
