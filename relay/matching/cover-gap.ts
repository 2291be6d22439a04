/**
 * Covers a gap of layers with a chain of providers. Providers differ by memory alone, and whatever fits a small one fits a
 * larger one; so the k largest can do what any k can. That gives, in this order: the fewest hops (each hop costs a link per
 * token), then the smallest providers that still do it (the large ones stay free for what only they can hold), then ranges in
 * proportion to what each can hold.
 */
import { matchingLimits } from './matching-limits.ts';
import type { ModelSize } from './model-size.ts';

export interface Seat {
  id: string;
  memoryBytes: number;
  /** Among equals in memory the highest is taken. */
  preference: number;
}

export interface SeatRange {
  id: string;
  from: number;
  to: number;
}

export interface Gap {
  from: number;
  to: number;
}

interface Cut {
  size: ModelSize;
  gap: Gap;
  maxLayers: number;
}

/** Ranges that chain exactly over `gap`, or null if these seats cannot hold it. Exact for equal layers, and for few seats. */
export function coverGap(size: ModelSize, gap: Gap, seats: readonly Seat[], maxLayers: number): SeatRange[] | null {
  const cut: Cut = { size, gap, maxLayers };
  const pool = [...seats].sort((a, b) => b.memoryBytes - a.memoryBytes || a.preference - b.preference || compare(b.id, a.id));
  const most = Math.min(pool.length, gap.to - gap.from);
  if (!arrange(cut, pool.slice(0, most))) return null;
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (arrange(cut, pool.slice(0, middle))) high = middle;
    else low = middle + 1;
  }
  const order = arrange(cut, shrink(cut, pool, low));
  return order && shareOut(cut, order);
}

/** Replaces each of the `count` largest seats, largest first, by the smallest unused seat that still lets the chain close. */
function shrink(cut: Cut, pool: readonly Seat[], count: number): Seat[] {
  const chosen = pool.slice(0, count);
  const free = pool.slice(count);
  for (let index = 0; index < count && free.length > 0; index++) {
    const canReplaceBy = (at: number) => arrange(cut, chosen.with(index, free[at]!)) !== null;
    let [low, high] = [-1, free.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (canReplaceBy(middle)) low = middle;
      else high = middle - 1;
    }
    if (low < 0) continue;
    chosen[index] = free[low]!;
    free.splice(low, 1);
  }
  return chosen;
}

/** An order in which the seats, each filled to the brim, reach the end of the gap (trailing ones unused); null if there is none. */
function arrange(cut: Cut, seats: readonly Seat[]): Seat[] | null {
  let memory = 0;
  for (const seat of seats) memory += seat.memoryBytes;
  if (memory < cut.size.shardBytes(cut.gap.from, cut.gap.to)) return null;
  if (cut.size.isUniform) return arrangeByEnds(cut, seats);
  if (seats.length <= matchingLimits.exhaustiveProviders) return arrangeExhaustively(cut, seats);
  return (
    arrangeByEnds(cut, seats) ??
    arrangeByEnds(cut, seats.toReversed()) ??
    arrangeExhaustively(cut, seats.slice(0, matchingLimits.exhaustiveProviders))
  );
}

/** With equal layers only the two ends of the model matter: choose the pair that loses the fewest layers to embedding and head. */
function arrangeByEnds(cut: Cut, seats: readonly Seat[]): Seat[] | null {
  const { size, gap, maxLayers } = cut;
  const direct = seats.find((seat) => reach(cut, gap.from, seat) === gap.to);
  if (direct) return [direct];
  const rows = seats.map((seat) => {
    const inner = Math.min(maxLayers, size.innerLayers(seat.memoryBytes));
    const asFirst = reach(cut, gap.from, seat) - gap.from;
    const asLast = gap.to - size.nearestStart(gap.to, Math.max(gap.from, gap.to - maxLayers), seat.memoryBytes);
    return { seat, firstLoss: asFirst > 0 ? inner - asFirst : Infinity, lastLoss: asLast > 0 ? inner - asLast : Infinity };
  });
  const firsts = rows.toSorted((a, b) => a.firstLoss - b.firstLoss).slice(0, 2);
  const lasts = rows.toSorted((a, b) => a.lastLoss - b.lastLoss).slice(0, 2);
  for (const first of firsts) {
    for (const last of lasts) {
      if (first === last || first.firstLoss === Infinity || last.lastLoss === Infinity) continue;
      const inner = rows.filter((row) => row !== first && row !== last).map((row) => row.seat);
      const order = follow(cut, [first.seat, ...inner, last.seat]);
      if (order) return order;
    }
  }
  return null;
}

/** Furthest layer reachable by every subset: exact, because starting later never ends earlier. */
function arrangeExhaustively(cut: Cut, seats: readonly Seat[]): Seat[] | null {
  const furthest = new Int32Array(1 << seats.length).fill(cut.gap.from);
  const lastSeat = new Int8Array(1 << seats.length).fill(-1);
  for (let subset = 1; subset < furthest.length; subset++) {
    for (let seat = 0; seat < seats.length; seat++) {
      if ((subset & (1 << seat)) === 0) continue;
      const end = reach(cut, furthest[subset ^ (1 << seat)]!, seats[seat]!);
      if (lastSeat[subset] === -1 || end > furthest[subset]!) {
        furthest[subset] = end;
        lastSeat[subset] = seat;
      }
    }
    if (furthest[subset] !== cut.gap.to) continue;
    const order: Seat[] = [];
    for (let left = subset; left !== 0; left ^= 1 << lastSeat[left]!) order.unshift(seats[lastSeat[left]!]!);
    return follow(cut, order);
  }
  return null;
}

/** The seats of an order that are used when each takes all it can, or null if they do not reach the end. */
function follow(cut: Cut, order: readonly Seat[]): Seat[] | null {
  const used: Seat[] = [];
  let at = cut.gap.from;
  for (const seat of order) {
    const end = reach(cut, at, seat);
    if (end > at) used.push(seat);
    at = end;
    if (at === cut.gap.to) return used;
  }
  return null;
}

function reach(cut: Cut, from: number, seat: Seat): number {
  return cut.size.furthestEnd(from, Math.min(cut.gap.to, from + cut.maxLayers), seat.memoryBytes);
}

/** Boundaries in proportion to what each seat can hold, kept where the seats before and behind still fit. */
function shareOut(cut: Cut, order: readonly Seat[]): SeatRange[] {
  const { size, gap, maxLayers } = cut;
  const room = order.map((seat) => Math.max(1, Math.min(maxLayers, gap.to - gap.from, size.innerLayers(seat.memoryBytes))));
  // mustReach[i]: seats i… can cover everything from here on, and not from earlier.
  const mustReach = new Array<number>(order.length + 1).fill(gap.to);
  for (let index = order.length - 1; index >= 0; index--) {
    const to = mustReach[index + 1]!;
    mustReach[index] = size.nearestStart(to, Math.max(gap.from, to - maxLayers), order[index]!.memoryBytes);
  }
  const ranges: SeatRange[] = [];
  let from = gap.from;
  let roomLeft = room.reduce((sum, layers) => sum + layers, 0);
  for (const [index, seat] of order.entries()) {
    const behind = order.length - index - 1;
    const lowest = Math.max(from + 1, mustReach[index + 1]!);
    const highest = Math.min(reach(cut, from, seat), gap.to - behind);
    // Unequal layers can leave no such boundary; then every seat takes all it can, which is known to work.
    if (lowest > highest) return fillUp(cut, order);
    const share = Math.round(((gap.to - from) * room[index]!) / roomLeft);
    const to = Math.min(highest, Math.max(lowest, from + share));
    ranges.push({ id: seat.id, from, to });
    from = to;
    roomLeft -= room[index]!;
  }
  return ranges;
}

function fillUp(cut: Cut, order: readonly Seat[]): SeatRange[] {
  let from = cut.gap.from;
  return order.map((seat) => {
    const to = reach(cut, from, seat);
    const range = { id: seat.id, from, to };
    from = to;
    return range;
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Gives each of the fixed parts the smallest seat that holds it, largest part first; null if they do not all find one. Exact. */
export function coverParts(size: ModelSize, parts: readonly Gap[], seats: readonly Seat[]): SeatRange[] | null {
  const free = [...seats].sort((a, b) => a.memoryBytes - b.memoryBytes || b.preference - a.preference || compare(a.id, b.id));
  const byNeed = parts.toSorted((a, b) => size.shardBytes(b.from, b.to) - size.shardBytes(a.from, a.to) || a.from - b.from);
  const ranges: SeatRange[] = [];
  for (const part of byNeed) {
    const at = free.findIndex((seat) => seat.memoryBytes >= size.shardBytes(part.from, part.to));
    if (at < 0) return null;
    ranges.push({ id: free[at]!.id, from: part.from, to: part.to });
    free.splice(at, 1);
  }
  return ranges.sort((a, b) => a.from - b.from);
}
