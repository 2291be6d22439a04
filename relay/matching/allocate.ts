/**
 * Decides which provider holds which layers. The rules, strongest first:
 *
 *   1. memory, pause and cutting are never violated;
 *   2. every wanted model that can be complete is complete, in order of demand, before any has a second holder for a layer;
 *   3. a provider that serves is moved only for 2, or when balance falls below the floor;
 *   4. idle providers go where layers are fewest.
 *
 * It is a pure function of its arguments, and its result is stable: allocating again after applying it changes nothing.
 */
import { addReplicas, rebalance } from './add-replicas.ts';
import { completeModel, holdInAdvance } from './complete-model.ts';
import { completeTogether } from './complete-together.ts';
import type { PlacedModel } from './model-size.ts';
import { type Cutting, Placement } from './placement.ts';
import { isSameRange, type LayerRange, type Provider } from './provider.ts';

export interface AllocationPolicy {
  /** Explicit layer counts of the parts of a model, by model id, e.g. [2, 6]. A list that does not add up to the layers is ignored. */
  split?: ReadonlyMap<string, readonly number[]>;
  /** No provider gets more layers than this. Default: as many as fit. */
  maxLayersPerProvider?: number;
  /** Holders of each layer beyond which idle providers stay idle. Default: everyone works. */
  replicas?: number;
}

/** What a provider shall hold from now on; null: nothing. */
export interface Assignment {
  providerId: string;
  range: LayerRange | null;
}

/**
 * Returns changes only.
 *
 *     for (const { providerId, range } of allocate({ models, providers: registry.all() }, {})) registry.assign(providerId, range);
 */
export function allocate(
  network: { models: readonly PlacedModel[]; providers: readonly Provider[] },
  policy: AllocationPolicy,
): Assignment[] {
  const { models, providers } = network;
  const placement = new Placement(models, providers, new Map(models.map((model) => [model.id, cuttingOf(model, policy)])));
  const wanted = models
    .filter((model) => model.demand > 0)
    .map((model) => ({ model: model.id, demand: model.demand }))
    .sort((a, b) => b.demand - a.demand || (a.model < b.model ? -1 : 1));
  const names = new Set(wanted.map(({ model }) => model));
  const replicas = policy.replicas ?? Infinity;
  // Each round either completes a model, fills a place or evens out counts, so rounds end; the bound is for our own mistakes.
  for (let round = 0; round < 4 + providers.length; round++) {
    const before = placement.snapshot();
    for (const { model } of wanted) {
      if (completeModel(placement, model, names)) continue;
      const complete = wanted.map((entry) => entry.model).filter((other) => placement.isCovered(other));
      if (complete.length > 0) completeTogether(placement, model, complete);
    }
    for (const { model } of wanted) if (!placement.isCovered(model)) holdInAdvance(placement, model);
    addReplicas(placement, wanted, replicas);
    rebalance(placement, wanted, replicas);
    if (placement.snapshot().every((range, index) => isSameRange(range, before[index]!))) break;
  }
  const held = new Map(placement.holders.map((holder) => [holder.id, holder.holds]));
  return providers.flatMap(({ id, shard }) => {
    const range = held.get(id) ?? null;
    return isSameRange(shard, range) ? [] : [{ providerId: id, range }];
  });
}

function cuttingOf(model: PlacedModel, policy: AllocationPolicy): Cutting {
  const parts = policy.split?.get(model.id);
  const isUsable = parts?.every((layers) => Number.isInteger(layers) && layers > 0) && sum(parts) === model.layers;
  if (!isUsable || !parts) return { boundaries: null, maxLayers: Math.max(1, policy.maxLayersPerProvider ?? model.layers) };
  const boundaries = [0];
  for (const layers of parts) boundaries.push(boundaries.at(-1)! + layers);
  // An explicit list is an explicit wish: it stands above the general maximum.
  return { boundaries, maxLayers: model.layers };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
