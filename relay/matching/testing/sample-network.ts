/** Records for tests of matching, and the rules that must hold after every allocation. */
import type { AllocationPolicy, Assignment } from '../allocate.ts';
import { ModelSize, type PlacedModel } from '../model-size.ts';
import type { Provider } from '../provider.ts';

/** A model of equal layers of 10 bytes without embedding, head or KV, unless told otherwise. */
export function sampleModel(id: string, layers: number, rest: Partial<PlacedModel> = {}): PlacedModel {
  return {
    id,
    layers,
    layerBytes: new Array<number>(layers).fill(10),
    embeddingBytes: 0,
    headBytes: 0,
    tiedEmbedding: false,
    kvBytesPerTokenPerLayer: 0,
    context: 512,
    demand: 1,
    ...rest,
  };
}

export function sampleProvider(id: string, memoryBytes: number, rest: Partial<Provider> = {}): Provider {
  return {
    id,
    peerId: `peer-${id}`,
    backend: 'wasm',
    adapter: 'wasm 1 thread',
    f16: false,
    memoryBytes,
    layerMsPerToken: null,
    state: 'sharing',
    slots: { total: 4, used: 0 },
    shard: null,
    rttMsToPeers: new Map(),
    unreachable: new Set(),
    lastSeenMs: 0,
    rating: 1,
    ...rest,
  };
}

/** Providers as they are once the assignments have arrived. */
export function applied(
  providers: readonly Provider[],
  assignments: readonly Assignment[],
  phase: 'assigned' | 'ready',
): Provider[] {
  const changes = new Map(assignments.map(({ providerId, range }) => [providerId, range]));
  return providers.map((provider) => {
    const range = changes.get(provider.id);
    if (range === undefined) return provider;
    return { ...provider, shard: range && { ...range, phase, progress: phase === 'ready' ? 1 : 0 } };
  });
}

/** "a:0-4 b:4-8", sorted by layer, of what one model's providers hold. */
export function held(providers: readonly Provider[], model: string): string {
  return providers
    .filter((provider) => provider.shard?.model === model)
    .sort((a, b) => a.shard!.from - b.shard!.from || (a.id < b.id ? -1 : 1))
    .map((provider) => `${provider.id}:${provider.shard!.from}-${provider.shard!.to}`)
    .join(' ');
}

/** Whether ranges of this model's holders chain exactly from 0 to the last layer. */
export function isComplete(model: PlacedModel, providers: readonly Provider[]): boolean {
  const reached = new Set([0]);
  const ranges = providers.flatMap(({ shard }) => (shard?.model === model.id ? [shard] : [])).sort((a, b) => a.from - b.from);
  for (const { from, to } of ranges) if (reached.has(from)) reached.add(to);
  return reached.has(model.layers);
}

/** What is wrong with an allocation whatever the network: memory, pause, ranges that do not exist, cutting. */
export function violations(models: readonly PlacedModel[], providers: readonly Provider[], policy: AllocationPolicy): string[] {
  const sizes = new Map(models.map((model) => [model.id, new ModelSize(model)]));
  return providers.flatMap(({ id, state, memoryBytes, shard }) => {
    if (!shard) return [];
    const size = sizes.get(shard.model);
    if (state !== 'sharing') return [`${id} is ${state} and holds layers`];
    if (!size || shard.from < 0 || shard.to <= shard.from || shard.to > size.model.layers) return [`${id} holds no real range`];
    if (size.shardBytes(shard.from, shard.to) > memoryBytes) return [`${id} holds more than its memory`];
    const most = policy.split?.has(shard.model) ? size.model.layers : (policy.maxLayersPerProvider ?? size.model.layers);
    return shard.to - shard.from > most ? [`${id} holds more layers than allowed`] : [];
  });
}
