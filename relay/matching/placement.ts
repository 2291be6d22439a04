/**
 * The working state of one allocation: who holds what, and what follows from it for one model: which holders lie on a complete
 * chain, which of them the best chain needs, and how many hold each layer.
 */
import type { Seat } from './cover-gap.ts';
import { ModelSize, type PlacedModel } from './model-size.ts';
import { isSameRange, type LayerRange, type Provider } from './provider.ts';

/** Which layers one model may be cut into. */
export interface Cutting {
  /** Boundaries of the fixed parts, 0 and `layers` included; null where ranges may lie anywhere. */
  boundaries: readonly number[] | null;
  maxLayers: number;
}

export interface Holder extends Seat {
  usedSlots: number;
  original: LayerRange | null;
  originalReadiness: number;
  holds: LayerRange | null;
  /** 2 ready, 1 loading, 0 assigned. */
  readiness: number;
}

export interface ModelState {
  size: ModelSize;
  holders: Holder[];
  /** Holders on some chain 0…layers. Empty if the model is not covered. */
  useful: Holder[];
  /** The holders of one chain, ready ones if there is a ready chain, with few hops. Empty if the model is not covered. */
  chain: Holder[];
  /** Useful holders of each layer. */
  counts: number[];
  /** Where ranges of the model begin and end: the fixed parts, or the useful holders' ranges. Ascending. */
  boundaries: readonly number[];
}

export class Placement {
  readonly sizes: ReadonlyMap<string, ModelSize>;
  readonly holders: Holder[];
  readonly #cuttings: ReadonlyMap<string, Cutting>;
  readonly #byId: ReadonlyMap<string, Holder>;

  constructor(models: readonly PlacedModel[], providers: readonly Provider[], cuttings: ReadonlyMap<string, Cutting>) {
    this.sizes = new Map(models.map((model) => [model.id, new ModelSize(model)]));
    this.#cuttings = cuttings;
    this.holders = providers
      .filter((provider) => provider.state === 'sharing')
      .map(toHolder)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#byId = new Map(this.holders.map((holder) => [holder.id, holder]));
    for (const holder of this.holders) if (holder.holds && !this.allows(holder, holder.holds)) this.set(holder, null);
  }

  holder(id: string): Holder {
    return this.#byId.get(id)!;
  }

  cutting(model: string): Cutting {
    return this.#cuttings.get(model)!;
  }

  set(holder: Holder, range: LayerRange | null): void {
    holder.holds = range;
    holder.readiness = isSameRange(range, holder.original) ? holder.originalReadiness : 0;
  }

  /** Whether the range exists, respects the cutting and fits the holder's memory. */
  allows(holder: Holder, range: LayerRange): boolean {
    const size = this.sizes.get(range.model);
    if (!size) return false;
    const { from, to } = range;
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to <= from || to > size.model.layers) return false;
    const { boundaries, maxLayers } = this.cutting(range.model);
    if (to - from > maxLayers) return false;
    if (boundaries && (!boundaries.includes(from) || boundaries[boundaries.indexOf(from) + 1] !== to)) return false;
    return size.shardBytes(from, to) <= holder.memoryBytes;
  }

  state(model: string): ModelState {
    const size = this.sizes.get(model)!;
    const holders = this.holders.filter((holder) => holder.holds?.model === model);
    const found = chains(holders, size.model.layers);
    const boundaries = this.cutting(model).boundaries ?? boundariesOf(found.useful);
    return { size, holders, ...found, boundaries };
  }

  isCovered(model: string): boolean {
    return this.state(model).chain.length > 0;
  }

  snapshot(): (LayerRange | null)[] {
    return this.holders.map((holder) => holder.holds);
  }

  restore(snapshot: readonly (LayerRange | null)[]): void {
    for (const [index, holder] of this.holders.entries()) this.set(holder, snapshot[index]!);
  }
}

function toHolder(provider: Provider): Holder {
  const { shard } = provider;
  const original = shard && { model: shard.model, from: shard.from, to: shard.to };
  const readiness = shard === null ? 0 : shard.phase === 'ready' ? 2 : shard.phase === 'loading' ? 1 : 0;
  const speed = provider.layerMsPerToken === null ? 0 : 1 / (1 + provider.layerMsPerToken);
  return {
    id: provider.id,
    memoryBytes: provider.memoryBytes,
    preference: provider.rating + speed,
    usedSlots: provider.slots.used,
    original,
    originalReadiness: readiness,
    holds: original,
    readiness,
  };
}

function boundariesOf(useful: readonly Holder[]): number[] {
  const boundaries = new Set<number>();
  for (const { holds } of useful) boundaries.add(holds!.from).add(holds!.to);
  return [...boundaries].sort((a, b) => a - b);
}

/** Cost of a hop that is not ready yet, in hops: any ready chain is better than one that still loads. */
const unreadyHops = 1_000_000;

function chains(holders: readonly Holder[], layers: number): { useful: Holder[]; chain: Holder[]; counts: number[] } {
  const byFrom = holders.toSorted((a, b) => a.holds!.from - b.holds!.from);
  const cost = new Array<number>(layers + 1).fill(Infinity);
  const via = new Array<Holder | undefined>(layers + 1);
  cost[0] = 0;
  for (const holder of byFrom) {
    const { from, to } = holder.holds!;
    const through = cost[from]! + (holder.readiness === 2 ? 1 : unreadyHops);
    if (through >= cost[to]! && !(through === cost[to] && through !== Infinity && isBetter(holder, via[to]!))) continue;
    cost[to] = through;
    via[to] = holder;
  }
  const counts = new Array<number>(layers).fill(0);
  if (cost[layers] === Infinity) return { useful: [], chain: [], counts };
  const chain: Holder[] = [];
  for (let at = layers; at > 0; at = via[at]!.holds!.from) chain.unshift(via[at]!);
  const leadsToEnd = new Array<boolean>(layers + 1).fill(false);
  leadsToEnd[layers] = true;
  for (const holder of byFrom.toReversed()) if (leadsToEnd[holder.holds!.to]) leadsToEnd[holder.holds!.from] = true;
  const useful = holders.filter(({ holds }) => cost[holds!.from] !== Infinity && leadsToEnd[holds!.to]);
  for (const { holds } of useful) for (let layer = holds!.from; layer < holds!.to; layer++) counts[layer]!++;
  return { useful, chain, counts };
}

/** Which of two holders of equal cost a chain keeps: the one that would be missed more. */
function isBetter(a: Holder, b: Holder): boolean {
  const difference = a.readiness - b.readiness || a.usedSlots - b.usedSlots || a.preference - b.preference;
  return difference > 0 || (difference === 0 && a.id < b.id);
}
