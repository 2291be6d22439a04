/**
 * What happens when every model that can be complete is: idle providers strengthen the weakest layers, and if one model or part is
 * far weaker than moving could make it, spare holders move. Layers are counted by their holders; between models the count is
 * divided by demand.
 */
import { coverGap, coverParts, type Gap } from './cover-gap.ts';
import { matchingLimits } from './matching-limits.ts';
import type { Holder, ModelState, Placement } from './placement.ts';

interface Wanted {
  model: string;
  demand: number;
}

/** Places idle providers, and those whose range lies on no chain, until nothing more helps or every layer has `replicas` holders. */
export function addReplicas(placement: Placement, wanted: readonly Wanted[], replicas: number): void {
  const states = new Map(wanted.map(({ model }) => [model, placement.state(model)]));
  const complete = wanted.filter(({ model }) => states.get(model)!.chain.length > 0);
  const useful = new Set([...states.values()].flatMap((state) => state.useful));
  const isComplete = (model: string) => complete.some((entry) => entry.model === model);
  const free = placement.holders
    .filter((holder) => holder.holds === null || (isComplete(holder.holds.model) && !useful.has(holder)))
    .sort((a, b) => b.memoryBytes - a.memoryBytes || b.preference - a.preference || (a.id < b.id ? -1 : 1));
  const isWeaker = (a: Wanted, b: Wanted) =>
    weakest(states.get(a.model)!) / a.demand - weakest(states.get(b.model)!) / b.demand || b.demand - a.demand;
  const tooSmall: Holder[] = [];
  for (const holder of free) {
    const placed = complete.toSorted(isWeaker).some(({ model }) => {
      const state = states.get(model)!;
      const range = weakestFit(placement, state, holder, replicas);
      if (!range) return false;
      placement.set(holder, { model, ...range });
      count(state, range, 1);
      return true;
    });
    if (!placed) tooSmall.push(holder);
  }
  // Providers too small for any range in use can still share one between them.
  for (const { model } of complete.toSorted(isWeaker)) joinForces(placement, states.get(model)!, tooSmall, replicas);
}

/** Moves spare holders to a model's weakest layers if that lifts it from below the balance floor. True if anything moved. */
export function rebalance(placement: Placement, wanted: readonly Wanted[], replicas: number): boolean {
  let hasMoved = false;
  for (const entry of wanted) {
    const before = weakest(placement.state(entry.model));
    if (before === 0) continue;
    const initial = placement.snapshot();
    let best = initial;
    let reached = before;
    while (moveOne(placement, entry, wanted, replicas)) {
      const now = weakest(placement.state(entry.model));
      if (now <= reached) continue;
      reached = now;
      best = placement.snapshot();
    }
    const isWorthIt = before / reached < matchingLimits.balanceFloor;
    placement.restore(isWorthIt ? best : initial);
    hasMoved ||= isWorthIt;
  }
  return hasMoved;
}

/**
 * Moves one provider to the weakest layer of `target`. The donor's layers stay at least as strong as the weakest becomes, so
 * moves cannot go round in circles. A provider in the middle of an answer is never moved for balance.
 */
function moveOne(placement: Placement, target: Wanted, wanted: readonly Wanted[], replicas: number): boolean {
  const state = placement.state(target.model);
  const low = weakest(state);
  if (low === 0 || low >= replicas) return false;
  const donors: { holder: Holder; from: ModelState; strength: number }[] = [];
  for (const { model, demand } of wanted) {
    const from = model === target.model ? state : placement.state(model);
    for (const holder of from.useful) {
      const after = Math.min(...from.counts.slice(holder.holds!.from, holder.holds!.to)) - 1;
      if (holder.usedSlots > 0 || after / demand < (low + 1) / target.demand) continue;
      donors.push({ holder, from, strength: after / demand });
    }
  }
  donors.sort(
    (a, b) => b.strength - a.strength || a.holder.readiness - b.holder.readiness || (a.holder.id < b.holder.id ? -1 : 1),
  );
  for (const { holder, from } of donors) {
    const range = fitAtWeakest(placement, state, holder, low);
    if (!range || !isSpare(placement, from, holder)) continue;
    placement.set(holder, { model: target.model, ...range });
    return true;
  }
  return false;
}

/** Whether everyone else stays on a chain without this holder, and whoever could ask before can ask still. */
function isSpare(placement: Placement, state: ModelState, holder: Holder): boolean {
  const { holds } = holder;
  placement.set(holder, null);
  const without = placement.state(state.size.model.id);
  placement.set(holder, holds);
  const isReady = (chain: readonly Holder[]) => chain.length > 0 && chain.every(({ readiness }) => readiness === 2);
  return without.useful.length === state.useful.length - 1 && (!isReady(state.chain) || isReady(without.chain));
}

function weakest(state: ModelState): number {
  return state.chain.length === 0 ? 0 : Math.min(...state.counts);
}

function count(state: ModelState, range: Gap, by: number): void {
  for (let layer = range.from; layer < range.to; layer++) state.counts[layer]! += by;
}

/** Parts between neighbouring boundaries, the fewest holders first, then the lowest layer. */
function partsByNeed(state: ModelState): { part: Gap; holders: number }[] {
  const { boundaries } = state;
  const parts = boundaries.slice(1).map((to, index) => ({
    part: { from: boundaries[index]!, to },
    holders: Math.min(...state.counts.slice(boundaries[index]!, to)),
  }));
  return parts.sort((a, b) => a.holders - b.holders || a.part.from - b.part.from);
}

function weakestFit(placement: Placement, state: ModelState, holder: Holder, replicas: number): Gap | null {
  for (const { part, holders } of partsByNeed(state)) {
    if (holders >= replicas) return null;
    const range = widest(placement, state, part, holder);
    if (range) return range;
  }
  return null;
}

function fitAtWeakest(placement: Placement, state: ModelState, holder: Holder, low: number): Gap | null {
  for (const { part, holders } of partsByNeed(state)) {
    if (holders > low) return null;
    if (holder.holds!.model === state.size.model.id && holder.holds!.from <= part.from && holder.holds!.to >= part.to) continue;
    const range = widest(placement, state, part, holder);
    if (range) return range;
  }
  return null;
}

/** The widest range between boundaries in use that contains `part` and that the holder may take: fewer hops for whoever uses it. */
function widest(placement: Placement, state: ModelState, part: Gap, holder: Holder): Gap | null {
  const model = state.size.model.id;
  if (placement.cutting(model).boundaries) return placement.allows(holder, { model, ...part }) ? part : null;
  let best: Gap | null = null;
  for (const from of state.boundaries) {
    if (from > part.from) break;
    for (const to of state.boundaries) {
      if (to < part.to || (best && to - from <= best.to - best.from)) continue;
      if (!placement.allows(holder, { model, from, to })) break;
      best = { from, to };
    }
  }
  return best;
}

function joinForces(placement: Placement, state: ModelState, small: Holder[], replicas: number): void {
  const model = state.size.model.id;
  const { boundaries, maxLayers } = placement.cutting(model);
  for (;;) {
    const part = partsByNeed(state).find(({ part, holders }) => {
      if (holders >= replicas) return false;
      const ranges = boundaries ? coverParts(state.size, [part], small) : coverGap(state.size, part, small, maxLayers);
      for (const { id, from, to } of ranges ?? []) {
        placement.set(placement.holder(id), { model, from, to });
        small.splice(
          small.findIndex((holder) => holder.id === id),
          1,
        );
      }
      return ranges !== null;
    });
    if (!part) return;
    count(state, part.part, 1);
  }
}
