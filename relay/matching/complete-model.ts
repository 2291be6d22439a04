/**
 * Makes one model complete (covered 0…layers) with as little movement as it finds. It keeps what is already held and closes the
 * gaps, drawing on providers in this order: idle ones; those that hold a model nobody wants; second holders of this model; and
 * only then holders of this model whose range has to be cut anew, one of them, two neighbours, or all. Other models give up
 * holders they can spare last. What other models need stays where it is; `complete-together.ts` questions even that.
 */
import { coverGap, coverParts, type Gap, type Seat, type SeatRange } from './cover-gap.ts';
import type { Holder, Placement } from './placement.ts';

/** True if the model is complete now; otherwise nothing was changed. */
export function completeModel(placement: Placement, model: string, wanted: ReadonlySet<string>): boolean {
  const state = placement.state(model);
  if (state.chain.length > 0) return true;
  const skeleton = keepMost(state.holders, state.size.model.layers);
  const kept = new Set(skeleton);
  const surplus = state.holders.filter((holder) => !kept.has(holder));
  const idle = placement.holders.filter((holder) => holder.holds === null);
  const unwanted = placement.holders.filter((holder) => holder.holds && !wanted.has(holder.holds.model));
  const nearby = [idle, unwanted, mostReplicated(surplus), surplus];
  for (let level = 1; level <= nearby.length; level++) {
    if (tryCover(placement, model, skeleton, nearby.slice(0, level).flat())) return true;
  }
  const own = [...idle, ...unwanted, ...surplus];
  const everyone = [...own, ...spareElsewhere(placement, model, wanted)];
  for (const pool of everyone.length > own.length ? [own, everyone] : [own]) {
    if (pool === everyone && tryCover(placement, model, skeleton, pool)) return true;
    for (const dropped of droppings(skeleton)) {
      const remaining = skeleton.filter((holder) => !dropped.includes(holder));
      if (tryCover(placement, model, remaining, [...pool, ...dropped])) return true;
    }
  }
  return false;
}

/** Chain for a whole model from these seats alone, or null. */
export function coverWhole(placement: Placement, model: string, seats: readonly Seat[]): SeatRange[] | null {
  return coverGaps(placement, model, [{ from: 0, to: placement.sizes.get(model)!.model.layers }], seats);
}

/** While a model cannot be complete, idle providers take what it lacks, so that it is loaded when the last one comes. */
export function holdInAdvance(placement: Placement, model: string): void {
  const { size, holders } = placement.state(model);
  const { boundaries, maxLayers } = placement.cutting(model);
  const kept = keepMost(holders, size.model.layers);
  const idle = placement.holders.filter((holder) => holder.holds === null).sort((a, b) => b.memoryBytes - a.memoryBytes);
  for (const holder of idle) {
    for (const gap of gapsBetween(kept, size.model.layers)) {
      const parts = boundaries ? partsOf(boundaries, gap) : [equalPart(gap, maxLayers)];
      const range = parts
        .map((part) => (boundaries ? part : { ...part, to: size.furthestEnd(part.from, part.to, holder.memoryBytes) }))
        .find((part) => placement.allows(holder, { model, ...part }));
      if (!range) continue;
      placement.set(holder, { model, ...range });
      kept.push(holder);
      kept.sort((a, b) => a.holds!.from - b.holds!.from);
      break;
    }
  }
}

/** The first of the fewest equal parts into which `maxLayers` allows to cut the gap. */
function equalPart(gap: Gap, maxLayers: number): Gap {
  const layers = gap.to - gap.from;
  return { from: gap.from, to: gap.from + Math.ceil(layers / Math.ceil(layers / maxLayers)) };
}

function tryCover(placement: Placement, model: string, kept: readonly Holder[], pool: readonly Holder[]): boolean {
  const gaps = gapsBetween(kept, placement.sizes.get(model)!.model.layers);
  const ranges = coverGaps(placement, model, gaps, pool);
  if (!ranges) return false;
  for (const { id, from, to } of ranges) placement.set(placement.holder(id), { model, from, to });
  return true;
}

function coverGaps(placement: Placement, model: string, gaps: readonly Gap[], seats: readonly Seat[]): SeatRange[] | null {
  const size = placement.sizes.get(model)!;
  const { boundaries, maxLayers } = placement.cutting(model);
  if (boundaries) {
    const parts = gaps.flatMap((gap) => partsOf(boundaries, gap));
    if (parts.some((part) => part.to - part.from > maxLayers)) return null;
    return coverParts(size, parts, seats);
  }
  const orders = [gaps.toSorted((a, b) => size.shardBytes(b.from, b.to) - size.shardBytes(a.from, a.to)), gaps];
  for (const order of gaps.length > 1 ? orders : [gaps]) {
    const ranges: SeatRange[] = [];
    const isCovered = order.every((gap) => {
      const taken = new Set(ranges.map((range) => range.id));
      const found = coverGap(
        size,
        gap,
        seats.filter((seat) => !taken.has(seat.id)),
        maxLayers,
      );
      if (found) ranges.push(...found);
      return found !== null;
    });
    if (isCovered) return ranges;
  }
  return null;
}

function partsOf(boundaries: readonly number[], gap: Gap): Gap[] {
  return boundaries.slice(1).flatMap((to, index) => {
    const from = boundaries[index]!;
    return from >= gap.from && to <= gap.to ? [{ from, to }] : [];
  });
}

/** Layers that no kept holder has, as ranges in order. */
function gapsBetween(kept: readonly Holder[], layers: number): Gap[] {
  const gaps: Gap[] = [];
  let at = 0;
  for (const { holds } of kept) {
    if (holds!.from > at) gaps.push({ from: at, to: holds!.from });
    at = holds!.to;
  }
  if (at < layers) gaps.push({ from: at, to: layers });
  return gaps;
}

/** Holders whose ranges do not overlap and that keep the most layers, ready ones above loading ones. In order of layers. */
function keepMost(holders: readonly Holder[], layers: number): Holder[] {
  const best: { value: number; kept: Holder | null; at: number }[] = [{ value: 0, kept: null, at: 0 }];
  const byEnd = new Map<number, Holder[]>();
  for (const holder of holders) byEnd.set(holder.holds!.to, [...(byEnd.get(holder.holds!.to) ?? []), holder]);
  for (let end = 1; end <= layers; end++) {
    best.push({ value: best[end - 1]!.value, kept: null, at: end - 1 });
    for (const holder of byEnd.get(end) ?? []) {
      const { from } = holder.holds!;
      const busy = Math.min(1, holder.usedSlots / 1000);
      const value = best[from]!.value + (end - from) * (4 + holder.readiness) + busy / 1000;
      if (value > best[end]!.value) best[end] = { value, kept: holder, at: from };
    }
  }
  const kept: Holder[] = [];
  for (let end = layers; end > 0; end = best[end]!.at) if (best[end]!.kept) kept.unshift(best[end]!.kept!);
  return kept;
}

/** Those whose exact range has the most holders. */
function mostReplicated(surplus: readonly Holder[]): Holder[] {
  const counts = Map.groupBy(surplus, (holder) => `${holder.holds!.from}-${holder.holds!.to}`);
  const most = Math.max(0, ...[...counts.values()].map((holders) => holders.length));
  return [...counts.values()].filter((holders) => holders.length === most).flat();
}

/** Holders of other wanted models that those can spare: beside the one chain of a complete model, and all of an incomplete one. */
function spareElsewhere(placement: Placement, model: string, wanted: ReadonlySet<string>): Holder[] {
  return [...wanted].flatMap((other) => {
    if (other === model) return [];
    const { holders, chain } = placement.state(other);
    return holders.filter((holder) => !chain.includes(holder));
  });
}

/** What to cut anew, least first. */
function droppings(skeleton: readonly Holder[]): Holder[][] {
  const singles = skeleton.map((holder) => [holder]);
  const pairs = skeleton.slice(1).map((holder, index) => [skeleton[index]!, holder]);
  return [...singles, ...(skeleton.length > 2 ? pairs : []), ...(skeleton.length > 1 ? [[...skeleton]] : [])];
}
