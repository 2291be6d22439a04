/**
 * The last resort for a model that stays incomplete: the chains of others may have to be cut anew to make room, as when a small
 * model sits on the only provider that can hold a large one. Only a division that keeps every complete model complete is taken.
 */
import { coverWhole } from './complete-model.ts';
import type { SeatRange } from './cover-gap.ts';
import { matchingLimits } from './matching-limits.ts';
import type { Holder, Placement } from './placement.ts';

/** True if `model` is complete now, and with it all of `complete`; otherwise nothing was changed. */
export function completeTogether(placement: Placement, model: string, complete: readonly string[]): boolean {
  for (const moved of [...complete.map((other) => [other]), ...(complete.length > 1 ? [complete] : [])]) {
    const fixed = new Set(complete.filter((other) => !moved.includes(other)).flatMap((other) => placement.state(other).chain));
    const pool = placement.holders.filter((holder) => !fixed.has(holder));
    const division = divide(placement, [model, ...moved], pool);
    if (!division) continue;
    for (const [id, ranges] of division) for (const range of ranges) take(placement, id, range);
    return true;
  }
  return false;
}

function take(placement: Placement, model: string, { id, from, to }: SeatRange): void {
  placement.set(placement.holder(id), { model, from, to });
}

type Division = Map<string, SeatRange[]>;

function divide(placement: Placement, models: readonly string[], pool: readonly Holder[]): Division | null {
  const bytes = (model: string) => placement.sizes.get(model)!.shardBytes(0, placement.sizes.get(model)!.model.layers);
  let memory = 0;
  for (const holder of pool) memory += holder.memoryBytes;
  if (memory < models.reduce((sum, model) => sum + bytes(model), 0)) return null;
  const bySize = models.toSorted((a, b) => bytes(b) - bytes(a));
  for (const order of [bySize, bySize.toReversed(), models]) {
    const division = divideInTurn(placement, order, pool);
    if (division) return division;
  }
  return pool.length <= matchingLimits.exhaustiveProviders ? divideExhaustively(placement, models, pool) : null;
}

function divideInTurn(placement: Placement, models: readonly string[], pool: readonly Holder[]): Division | null {
  const division: Division = new Map();
  let free = pool;
  for (const model of models) {
    const ranges = coverWhole(placement, model, free);
    if (!ranges) return null;
    division.set(model, ranges);
    const taken = new Set(ranges.map((range) => range.id));
    free = free.filter((holder) => !taken.has(holder.id));
  }
  return division;
}

/** Tries every division of the pool, by the smallest sets of providers that can hold each model. */
function divideExhaustively(placement: Placement, models: readonly string[], pool: readonly Holder[]): Division | null {
  const options = models.map((model) => smallestSets(placement, model, pool));
  const division: Division = new Map();
  const place = (index: number, taken: number): boolean => {
    if (index === models.length) return true;
    for (const { set, ranges } of options[index]!) {
      if ((set & taken) !== 0) continue;
      division.set(models[index]!, ranges);
      if (place(index + 1, taken | set)) return true;
    }
    return false;
  };
  return place(0, 0) ? division : null;
}

function smallestSets(placement: Placement, model: string, pool: readonly Holder[]): { set: number; ranges: SeatRange[] }[] {
  const found: { set: number; ranges: SeatRange[] }[] = [];
  const sets = Array.from({ length: 2 ** pool.length - 1 }, (_, index) => index + 1).sort((a, b) => bits(a) - bits(b) || a - b);
  for (const set of sets) {
    if (found.some((smaller) => (smaller.set & set) === smaller.set)) continue;
    const seats = pool.filter((_, index) => (set & (1 << index)) !== 0);
    const ranges = coverWhole(placement, model, seats);
    if (ranges) found.push({ set, ranges });
  }
  return found;
}

function bits(set: number): number {
  let count = 0;
  for (let left = set; left !== 0; left &= left - 1) count++;
  return count;
}
