/**
 * The cheapest route through the shards that are ready.
 *
 * States are (layer boundary, provider). A shard always ends above where it begins, so the states have an order and Dijkstra's
 * queue is not needed: one pass along the boundaries settles them. The token comes back from the last hop to the first, and that
 * closing link depends on both, so there is one pass per first provider, in order of a lower bound, until no other can win.
 *
 * Most pairs have never been measured and cost the same. Only measured and failed pairs are looked at one by one; for all the
 * others a provider takes the cheapest predecessor of its boundary. That makes 2,000 providers a matter of milliseconds.
 */
import { limits } from '../../shared/protocol/limits.ts';
import { matchingLimits } from './matching-limits.ts';
import type { Provider } from './provider.ts';

export interface RouteRequest {
  model: string;
  layers: number;
  providers: readonly Provider[];
  /** Round trips from the asker, by peer id. Absent: the asker's place is not counted. */
  askerRtt?: ReadonlyMap<string, number>;
  /** Tokens of the prompt, and of the answer at most. */
  tokens: { prompt: number; max: number };
  /** Provider ids not to use: those that have just failed. */
  exclude?: ReadonlySet<string>;
  /** Round trip over the relay's circuit for pairs that cannot connect; null forbids such pairs. */
  circuitRttMs?: number | null;
}

export interface PlannedHop {
  providerId: string;
  peerId: string;
  from: number;
  to: number;
}

export interface PlannedRoute {
  hops: PlannedHop[];
  /** Milliseconds the whole answer is expected to take, with what failures are expected to cost. */
  costMs: number;
}

/**
 *     const route = planRoute({ model, layers: 32, providers: registry.all(), tokens: { prompt: 100, max: 200 } });
 *
 * Null if no chain of ready shards with free slots covers the layers.
 */
export function planRoute(request: RouteRequest): PlannedRoute | null {
  const { layers } = request;
  const stops = request.providers
    .filter((provider) => canServe(request, provider))
    .map((provider, index) => toStop(request, provider, index));
  const graph = linkUp(request, stops);
  const toEnd = costsToEnd(graph, layers);
  const firsts = stops
    .filter((stop) => stop.from === 0 && toEnd[stop.index] !== Infinity)
    .map((stop) => ({ stop, atLeast: stop.entryMs + toEnd[stop.index]! + leastClosing(graph, stop, layers) }))
    .sort((a, b) => a.atLeast - b.atLeast);
  let best: Found | null = null;
  for (const { stop, atLeast } of firsts) {
    if (best && atLeast >= best.costMs) break;
    const found = cheapestFrom(request, graph, stop, best?.costMs ?? Infinity, toEnd);
    if (found) best = found;
  }
  if (!best || best.path.length > limits.maxHops) return null;
  const hops = best.path.map(({ provider, from, to }) => ({ providerId: provider.id, peerId: provider.peerId, from, to }));
  return { hops, costMs: best.costMs };
}

/**
 * Cost of one given route, the same figure that `planRoute` minimises; Infinity if a pair of it cannot connect. The hops must chain.
 *
 *     once:           asker → first, last → asker
 *     every hop:      layers × ms × (tokens, prompt tokens at a share) × (1 + sessions already there) + expected cost of failing
 *     every link:     RTT/2 + overhead, per generated token (prompt chunks follow each other without waiting)
 *     last → first:   the same, per generated token but the last
 */
export function routeCost(request: RouteRequest, route: readonly Provider[]): number {
  let cost = entryMs(request, route[0]!) + exitMs(request, route.at(-1)!);
  for (const [index, provider] of route.entries()) {
    cost += hopMs(request, provider);
    if (index > 0) cost += linkMs(request, route[index - 1]!, provider) * request.tokens.max;
  }
  if (route.length > 1) cost += closingMs(request, linkMs(request, route.at(-1)!, route[0]!));
  return cost;
}

interface Found {
  path: Stop[];
  costMs: number;
}

/** A provider as the search sees it. */
interface Stop {
  index: number;
  provider: Provider;
  from: number;
  to: number;
  ownMs: number;
  entryMs: number;
  exitMs: number;
}

interface Link {
  stop: Stop;
  ms: number;
}

interface Graph {
  stops: readonly Stop[];
  /** Stops by the boundary at which they begin, and end. */
  beginning: readonly Stop[][];
  ending: readonly (readonly Stop[])[];
  /** Measured and failed links by stop index: where its activations can come from, and go to. Ends of the model are neighbours. */
  into: Link[][];
  out: Link[][];
  usualMs: number;
  tokens: number;
  /** Scratch for `cheapestUnknown`: which search last met a stop among its known links. */
  mark: Int32Array;
  search: number;
}

function canServe(request: RouteRequest, provider: Provider): boolean {
  const { shard, slots, state } = provider;
  if (shard?.model !== request.model || shard.phase !== 'ready' || !isRange(shard.from, shard.to, request.layers)) return false;
  return state === 'sharing' && slots.used < slots.total && !request.exclude?.has(provider.id);
}

function isRange(from: number, to: number, layers: number): boolean {
  return Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= layers;
}

function toStop(request: RouteRequest, provider: Provider, index: number): Stop {
  const { from, to } = provider.shard!;
  const [entry, exit] = [entryMs(request, provider), exitMs(request, provider)];
  return { index, provider, from, to, ownMs: hopMs(request, provider), entryMs: entry, exitMs: exit };
}

function hopMs(request: RouteRequest, { shard, layerMsPerToken, slots, rating }: Provider): number {
  const { prompt, max } = request.tokens;
  const steps = prompt * matchingLimits.promptPositionShare + Math.max(0, max - 1);
  const stepMs = (shard!.to - shard!.from) * (layerMsPerToken ?? matchingLimits.unknownLayerMs);
  // A device runs one step at a time: each session there may be ahead of ours at every step.
  return stepMs * steps * (1 + slots.used) + (1 - rating) * matchingLimits.failoverMs;
}

function entryMs({ askerRtt }: RouteRequest, { peerId }: Provider): number {
  return askerRtt ? (askerRtt.get(peerId) ?? matchingLimits.unknownRttMs) / 2 : 0;
}

/** The answer streams: its way to the asker is waited for once. */
function exitMs(request: RouteRequest, provider: Provider): number {
  return entryMs(request, provider);
}

function oneWayMs(rttMs: number): number {
  return rttMs / 2 + matchingLimits.hopOverheadMs;
}

const usualLinkMs = oneWayMs(matchingLimits.unknownRttMs);

/** One way from hop to hop. If both sides measured, the slower figure counts; if either side failed, the pair does not connect. */
function linkMs({ circuitRttMs }: RouteRequest, a: Provider, b: Provider): number {
  if (a.unreachable.has(b.peerId) || b.unreachable.has(a.peerId)) {
    return typeof circuitRttMs === 'number' ? oneWayMs(circuitRttMs) : Infinity;
  }
  const [there, back] = [a.rttMsToPeers.get(b.peerId), b.rttMsToPeers.get(a.peerId)];
  if (there === undefined && back === undefined) return usualLinkMs;
  return oneWayMs(Math.max(there ?? 0, back ?? 0));
}

function closingMs(request: RouteRequest, ms: number): number {
  const rounds = Math.max(0, request.tokens.max - 1);
  return rounds === 0 ? 0 : ms * rounds;
}

function linkUp(request: RouteRequest, stops: readonly Stop[]): Graph {
  const { layers, tokens } = request;
  const beginning: Stop[][] = Array.from({ length: layers + 1 }, () => []);
  const ending: Stop[][] = Array.from({ length: layers + 1 }, () => []);
  for (const stop of stops) {
    beginning[stop.from]!.push(stop);
    ending[stop.to]!.push(stop);
  }
  const graph: Graph = {
    stops,
    beginning,
    ending,
    into: stops.map(() => []),
    out: stops.map(() => []),
    usualMs: usualLinkMs,
    tokens: tokens.max,
    mark: new Int32Array(stops.length),
    search: 0,
  };
  const byPeer = new Map<string, Stop>();
  // A provider with the whole model is a route by itself and has no links.
  for (const stop of stops) if (stop.to - stop.from < layers) byPeer.set(stop.provider.peerId, stop);
  const connect = (a: Stop, b: Stop, ms: number): void => {
    if (a.to % layers === b.from) {
      graph.out[a.index]!.push({ stop: b, ms });
      graph.into[b.index]!.push({ stop: a, ms });
    }
    if (b.to % layers === a.from) {
      graph.out[b.index]!.push({ stop: a, ms });
      graph.into[a.index]!.push({ stop: b, ms });
    }
  };
  // A pair that both sides list comes by twice: the side that comes first connects it. This is where the time goes.
  for (const stop of byPeer.values()) {
    const { peerId, rttMsToPeers, unreachable } = stop.provider;
    for (const failedId of unreachable) {
      const other = byPeer.get(failedId);
      if (!other || other === stop || (other.index < stop.index && other.provider.unreachable.has(peerId))) continue;
      connect(stop, other, linkMs(request, stop.provider, other.provider));
    }
    for (const [otherId, there] of rttMsToPeers) {
      const other = byPeer.get(otherId);
      if (!other || other === stop || (stop.to % layers !== other.from && other.to % layers !== stop.from)) continue;
      const back = other.provider.rttMsToPeers.get(peerId);
      if (back !== undefined && other.index < stop.index) continue;
      if (unreachable.has(otherId) || other.provider.unreachable.has(peerId)) continue;
      connect(stop, other, oneWayMs(Math.max(there, back ?? 0)));
    }
  }
  return graph;
}

/** The cheapest of `candidates`, in ascending cost, that none of the known links concerns. */
function cheapestUnknown(graph: Graph, candidates: readonly Stop[], cost: Float64Array, known: readonly Link[]): Stop | null {
  const search = ++graph.search;
  for (const link of known) graph.mark[link.stop.index] = search;
  for (const stop of candidates) {
    if (cost[stop.index] === Infinity) return null;
    if (graph.mark[stop.index] !== search) return stop;
  }
  return null;
}

/**
 * By stop: own time and all that follows to the asker, the closing link left out. A lower bound for every first provider.
 * Leaves `graph.beginning` in ascending order of it.
 */
function costsToEnd(graph: Graph, layers: number): Float64Array {
  const cost = new Float64Array(graph.stops.length).fill(Infinity);
  for (const stop of graph.ending[layers]!) cost[stop.index] = stop.ownMs + stop.exitMs;
  for (let boundary = layers - 1; boundary > 0; boundary--) {
    if (graph.ending[boundary]!.length === 0) continue;
    const next = graph.beginning[boundary]!.sort((a, b) => cost[a.index]! - cost[b.index]!);
    for (const stop of graph.ending[boundary]!) {
      const known = graph.out[stop.index]!;
      const usual = cheapestUnknown(graph, next, cost, known);
      let onward = usual ? graph.usualMs * graph.tokens + cost[usual.index]! : Infinity;
      for (const link of known) onward = Math.min(onward, link.ms * graph.tokens + cost[link.stop.index]!);
      cost[stop.index] = stop.ownMs + onward;
    }
  }
  return cost;
}

function leastClosing(graph: Graph, first: Stop, layers: number): number {
  const rounds = Math.max(0, graph.tokens - 1);
  if (rounds === 0 || first.to === layers) return 0;
  return graph.into[first.index]!.reduce((least, link) => Math.min(least, link.ms), graph.usualMs) * rounds;
}

/** Cheapest route that begins with `first`, if it costs less than `bound`. */
function cheapestFrom(request: RouteRequest, graph: Graph, first: Stop, bound: number, toEnd: Float64Array): Found | null {
  const { layers } = request;
  const closing = leastClosing(graph, first, layers);
  const cost = new Float64Array(graph.stops.length).fill(Infinity);
  const previous = new Int32Array(graph.stops.length).fill(-1);
  /** Takes a way into `stop`, unless nothing that goes on from there can win any more. */
  const reach = (stop: Stop, through: number, via: number): void => {
    if (through + stop.ownMs >= cost[stop.index]! || through + toEnd[stop.index]! + closing >= bound) return;
    cost[stop.index] = through + stop.ownMs;
    previous[stop.index] = via;
  };
  reach(first, first.entryMs, -1);
  for (let boundary = first.to; boundary < layers; boundary++) {
    const reached = graph.ending[boundary]!.filter((stop) => cost[stop.index] !== Infinity);
    if (reached.length === 0) continue;
    reached.sort((a, b) => cost[a.index]! - cost[b.index]!);
    for (const stop of reached) {
      for (const link of graph.out[stop.index]!) reach(link.stop, cost[stop.index]! + link.ms * graph.tokens, stop.index);
    }
    const usual = graph.usualMs * graph.tokens;
    for (const stop of graph.beginning[boundary]!) {
      // They come in order of what follows them: the first that is too late ends it.
      if (cost[reached[0]!.index]! + usual + toEnd[stop.index]! + closing >= bound) break;
      const via = cheapestUnknown(graph, reached, cost, graph.into[stop.index]!);
      if (via) reach(stop, cost[via.index]! + usual, via.index);
    }
  }
  let best: { last: Stop; costMs: number } | null = null;
  for (const last of graph.ending[layers]!) {
    if (cost[last.index] === Infinity) continue;
    const back = last === first ? 0 : closingMs(request, linkMs(request, last.provider, first.provider));
    const costMs = cost[last.index]! + last.exitMs + back;
    if (costMs < (best?.costMs ?? bound)) best = { last, costMs };
  }
  if (!best) return null;
  const path: Stop[] = [];
  for (let at = best.last.index; at >= 0; at = previous[at]!) path.unshift(graph.stops[at]!);
  return { path, costMs: best.costMs };
}
