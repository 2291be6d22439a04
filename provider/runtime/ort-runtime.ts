/**
 * A shard on ONNX Runtime Web: builds the graph of its layer range, mounts the weights, keeps KV where it is cheapest and checks
 * every output. On WebGPU no operator may leave the GPU: the session is refused instead (design C1).
 */
import { paddedHeadDim } from '../../shared/models/architecture.ts';
import { buildShardGraph, type ShardGraph } from '../../shared/models/onnx/build-shard-graph.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { checkOutput } from './check-output.ts';
import { GpuKvCache } from './gpu-kv-cache.ts';
import { GrowingKvCache } from './growing-kv-cache.ts';
import { HeapKvCache } from './heap-kv-cache.ts';
import { type KvLayout, kvNames, kvTensorBytes, OrtKvCache, type StepInputs } from './kv-cache.ts';
import { exclusively, type OrtModule, type OrtSession, type OrtSessionOptions } from './ort-module.ts';
import { OrtWasmHeap } from './ort-wasm-heap.ts';
import type { Backend, BlobReader, KvCache, ShardRuntime, ShardSpec, StepInput, StepResult } from './shard-runtime.ts';
import { requireGpu, WatchedDevice } from './watched-device.ts';
import { type LoadProgress, WeightFiles } from './weight-files.ts';

export interface OrtRuntimeOptions {
  ort: OrtModule;
  backend: Backend;
  shard: ShardSpec;
  blobs: BlobReader;
  /** Left out: f16 for an f16 model where the graphics device has it, else f32. */
  arithmetic?: 'f32' | 'f16' | undefined;
  /** Longest capacity any cache of this runtime may have, in positions. */
  context: number;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/**
 * Loads a shard. Throws VesselError: `unsupported` (no WebGPU, no f16), `out_of_memory`, `bad_checkpoint`, `cancelled`, or `internal`
 * when the runtime refuses the graph.
 *
 *   const runtime = await createOrtRuntime({ ort, backend: 'wasm', shard: { manifest, from: 0, to: 4 }, blobs, context: 512 });
 */
export async function createOrtRuntime(options: OrtRuntimeOptions): Promise<ShardRuntime> {
  const { ort, backend, shard, blobs, context, signal } = options;
  const { architecture, dtype } = shard.manifest;
  if (!Number.isInteger(context) || context < 1 || context > architecture.context) {
    throw new VesselError(
      'context_exceeded',
      `A context of ${context} does not fit this model's ${architecture.context} positions.`,
    );
  }
  const gpu = backend === 'webgpu' ? await requireGpu() : null;
  const hasF16 = gpu?.features.has('shader-f16') ?? true;
  const arithmetic = options.arithmetic ?? (gpu && dtype === 'f16' && hasF16 ? 'f16' : 'f32');
  if (arithmetic === 'f16' && !hasF16)
    throw new VesselError('unsupported', 'This graphics device has no 16-bit floats (shader-f16). Use f32.');

  const graph = buildShardGraph({
    ...shard,
    arithmetic,
    context,
    // Packed weights are for the GPU: on wasm MatMulNBits is several times slower than the expanded weights.
    weights: gpu ? 'packed' : 'dense',
  });
  if (gpu) checkGpuLimits(graph, gpu.limits);
  const files = new WeightFiles(graph, shard.manifest, blobs, options);
  const layout: KvLayout = {
    from: shard.from,
    to: shard.to,
    kvHeads: architecture.kvHeads,
    paddedHeadDim: paddedHeadDim(architecture.headDim),
    type: arithmetic === 'f32' ? 'float32' : 'float16',
  };
  const session = await exclusively(ort, () => {
    if (signal?.aborted) throw new VesselError('cancelled', 'Loading the shard was cancelled.', { cause: signal.reason });
    return createSession(ort, graph, files, sessionOptions(gpu !== null, layout));
  });
  const device = gpu ? new WatchedDevice(await ort.env.webgpu.device) : null;
  const wasmModule = gpu ? null : (ort.wasmModule?.() ?? null);
  const heap = wasmModule && new OrtWasmHeap(wasmModule);
  const threads = ort.env.wasm.numThreads ?? 1;
  const adapter = gpu
    ? `${gpu.info.vendor} ${gpu.info.architecture}`.trim()
    : `wasm ${threads} thread${threads === 1 ? '' : 's'}`;
  return new OrtShardRuntime({ ort, shard, backend, adapter, arithmetic, context, layout, session, device, heap });
}

function checkGpuLimits(graph: ShardGraph, limits: GPUSupportedLimits): void {
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const tooLarge = graph.weights.find((weight) => weight.length > most);
  if (tooLarge === undefined) return;
  const [needed, allowed] = [tooLarge.length, most].map((bytes) => Math.ceil(bytes / 2 ** 20));
  throw new VesselError(
    'out_of_memory',
    `${tooLarge.name} takes ${needed} MiB and this graphics device allows ${allowed} MiB in one buffer. Take other layers, or a smaller encoding.`,
  );
}

function sessionOptions(onGpu: boolean, layout: KvLayout): OrtSessionOptions {
  if (!onGpu) return { executionProviders: ['wasm'] };
  return {
    executionProviders: ['webgpu'],
    extra: { session: { disable_cpu_ep_fallback: '1' } },
    preferredOutputLocation: Object.fromEntries(kvNames(layout).map((name) => [`present.${name}`, 'gpu-buffer' as const])),
  };
}

async function createSession(
  ort: OrtModule,
  graph: ShardGraph,
  files: WeightFiles,
  options: OrtSessionOptions,
): Promise<OrtSession> {
  try {
    return await ort.InferenceSession.create(graph.model, { ...options, externalData: files.mounted });
  } catch (cause) {
    if (files.failure !== null) throw files.failure;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const isMemory = /out of memory|bad_alloc|failed to allocate|memory access out of bounds/i.test(reason);
    throw new VesselError(isMemory ? 'out_of_memory' : 'internal', `ONNX Runtime refused the shard: ${reason}`, { cause });
  }
}

interface Loaded {
  ort: OrtModule;
  shard: ShardSpec;
  backend: Backend;
  adapter: string;
  arithmetic: 'f32' | 'f16';
  context: number;
  layout: KvLayout;
  session: OrtSession;
  /** Set on WebGPU. */
  device: WatchedDevice | null;
  /** Set on wasm where the loader could reach the runtime's memory. */
  heap: OrtWasmHeap | null;
}

class OrtShardRuntime implements ShardRuntime {
  readonly shard: ShardSpec;
  readonly backend: Backend;
  readonly adapter: string;
  readonly arithmetic: 'f32' | 'f16';
  readonly context: number;
  readonly #loaded: Loaded;
  readonly #caches = new Set<OrtKvCache>();
  #isDisposed = false;

  constructor(loaded: Loaded) {
    this.shard = loaded.shard;
    this.backend = loaded.backend;
    this.adapter = loaded.adapter;
    this.arithmetic = loaded.arithmetic;
    this.context = loaded.context;
    this.#loaded = loaded;
  }

  cacheBytes(capacity: number): number {
    const { layout } = this.#loaded;
    return kvNames(layout).length * kvTensorBytes(layout, capacity);
  }

  createCache(capacity: number): KvCache {
    this.#requireUsable();
    const { ort, layout, context, device, heap } = this.#loaded;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > context) {
      throw new VesselError(
        'context_exceeded',
        `This shard was loaded for caches of 1 to ${context} positions, not ${capacity}.`,
      );
    }
    const forget = (): void => void this.#caches.delete(cache);
    const cache: OrtKvCache = device
      ? new GpuKvCache(ort, device.device, layout, capacity, forget)
      : heap
        ? new HeapKvCache(heap, layout, capacity, forget)
        : new GrowingKvCache(ort, layout, capacity, forget);
    this.#caches.add(cache);
    return cache;
  }

  async step(cache: KvCache, input: StepInput): Promise<StepResult> {
    this.#requireUsable();
    if (!(cache instanceof OrtKvCache) || !this.#caches.has(cache)) {
      throw new VesselError('unknown_session', 'This cache was released or belongs to another runtime.');
    }
    const { count, inputs } = this.#inputs(cache, input);
    const isLast = this.shard.to === this.shard.manifest.architecture.layers;
    const output = isLast ? 'logits' : 'hidden.out';
    const values = await this.#run(cache, inputs, output);
    checkOutput(values);
    if (cache.isReleased) throw new VesselError('cancelled', 'The session was released during a step.');
    cache.append(count);
    return { kind: isLast ? 'logits' : 'hidden', values };
  }

  #inputs(cache: OrtKvCache, input: StepInput): { count: number; inputs: StepInputs } {
    const { hidden, vocab } = this.shard.manifest.architecture;
    const isFirst = this.shard.from === 0;
    if ((input.kind === 'tokens') !== isFirst) {
      throw new VesselError(
        'bad_request',
        `Layers from ${this.shard.from} on take ${isFirst ? 'tokens' : 'hidden rows'}, not ${input.kind}.`,
      );
    }
    const count = input.kind === 'tokens' ? input.ids.length : input.values.length / hidden;
    if (!Number.isInteger(count) || count < 1) throw new VesselError('bad_request', 'A step needs one or more whole positions.');
    const end = cache.length + count;
    if (end > cache.capacity) {
      throw new VesselError(
        'context_exceeded',
        `${count} more positions do not fit: ${cache.length} of ${cache.capacity} are used.`,
      );
    }
    const inputs: StepInputs = {
      seqlens_k: { type: 'int32', data: Int32Array.of(end - 1), dims: [1] },
      total_sequence_length: { type: 'int32', data: Int32Array.of(end), dims: [1] },
    };
    if (input.kind === 'tokens') {
      const unknown = input.ids.find((id) => id < 0 || id >= vocab);
      if (unknown !== undefined) throw new VesselError('bad_request', `Token ${unknown} is not in a vocabulary of ${vocab}.`);
      inputs.ids = { type: 'int64', data: BigInt64Array.from(input.ids, BigInt), dims: [1, count] };
    } else {
      inputs.hidden = { type: 'float32', data: input.values, dims: [1, count, hidden] };
    }
    return { count, inputs };
  }

  async #run(cache: OrtKvCache, inputs: StepInputs, output: string): Promise<Float32Array> {
    const { ort, session, device } = this.#loaded;
    try {
      return await exclusively(ort, () => {
        this.#requireUsable();
        // Released while it waited for its turn: its memory is gone.
        if (cache.isReleased) throw new VesselError('cancelled', 'The session was released before its step began.');
        return cache.run(session, inputs, output);
      });
    } catch (cause) {
      if (cause instanceof VesselError) throw cause;
      if (await device?.isLostNow()) throw device!.lostError(cause);
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new VesselError('internal', `ONNX Runtime failed in a step: ${reason}`, { cause });
    }
  }

  #requireUsable(): void {
    if (this.#isDisposed) throw new VesselError('internal', 'This runtime was disposed.');
    if (this.#loaded.device?.isLost) throw this.#loaded.device.lostError();
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const cache of [...this.#caches]) cache.release();
    await exclusively(this.#loaded.ort, () => this.#loaded.session.release());
  }
}
