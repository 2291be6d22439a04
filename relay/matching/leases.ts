import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';

/** A place on each hop of a route, for one session, until it expires. */
export interface Lease {
  session: string;
  asker: string;
  model: string;
  /** In order of the route. */
  providerIds: readonly string[];
  expiresAtMs: number;
  /** How often it went on with other hops. */
  moves: number;
}

export interface LeaseRequest {
  session: string;
  asker: string;
  model: string;
  hops: readonly { providerId: string; slots: number }[];
}

/**
 * Who holds how many slots where. A lease is taken on all hops or on none, so two asks never hold half a route each. Silence
 * ends it (design S2): whoever uses it renews it, `expire` frees the rest.
 */
export class Leases {
  readonly #leases = new Map<string, Lease>();
  readonly #onProvider = new Map<string, Map<string, Lease>>();
  readonly #ofAsker = new Map<string, Map<string, Lease>>();

  get size(): number {
    return this.#leases.size;
  }

  get(session: string): Lease | undefined {
    return this.#leases.get(session);
  }

  routes(): (readonly string[])[] {
    return [...this.#leases.values()].map(({ providerIds }) => providerIds);
  }

  /** Slots in use on this provider. */
  used(providerId: string): number {
    return this.#onProvider.get(providerId)?.size ?? 0;
  }

  /** Sessions this asker has open. */
  heldBy(asker: string): number {
    return this.#ofAsker.get(asker)?.size ?? 0;
  }

  /**
   * Throws VesselError `provider_busy` if a hop has no free slot, `rate_limited` if the asker has all the sessions it may have on
   * one of the hops, `bad_request` if the session has a lease already or a provider comes twice.
   */
  reserve({ session, asker, model, hops }: LeaseRequest, nowMs: number): Lease {
    const providerIds = hops.map((hop) => hop.providerId);
    if (this.#leases.has(session)) throw new VesselError('bad_request', 'This session is open already. Choose a new session id.');
    if (new Set(providerIds).size < hops.length) throw new VesselError('bad_request', 'A route uses each provider once.');
    for (const hop of hops) this.#requireRoom(hop, asker);
    const lease: Lease = { session, asker, model, providerIds, expiresAtMs: nowMs + limits.sessionLeaseMs, moves: 0 };
    this.#put(lease);
    return lease;
  }

  /** False if the session has no lease, or only one that is over. */
  renew(session: string, nowMs: number): boolean {
    const lease = this.#leases.get(session);
    if (!lease || lease.expiresAtMs <= nowMs) return false;
    lease.expiresAtMs = nowMs + limits.sessionLeaseMs;
    return true;
  }

  /**
   * The session goes on with these hops. Throws as `reserve`, `forbidden` for somebody else's, or `rate_limited` for one that has lost
   * more hops than an asker waits for; then nothing changed.
   */
  move(request: LeaseRequest, nowMs: number): Lease {
    const before = this.#leases.get(request.session);
    if (before && before.asker !== request.asker) throw new VesselError('forbidden', 'This session is not yours.');
    const moves = (before?.moves ?? 0) + 1;
    if (moves > limits.maxFailovers) throw new VesselError('rate_limited', 'This session has lost too many hops. Ask again.');
    if (before) this.#take(before);
    try {
      const lease = this.reserve(request, nowMs);
      lease.moves = moves;
      return lease;
    } catch (thrown) {
      if (before) this.#put(before);
      throw thrown;
    }
  }

  /** False if it was not there. */
  release(session: string): boolean {
    const lease = this.#leases.get(session);
    if (lease) this.#take(lease);
    return lease !== undefined;
  }

  /** Sessions that have a hop on this provider; they stay until released or replaced. */
  sessionsOn(providerId: string): string[] {
    return [...(this.#onProvider.get(providerId)?.keys() ?? [])];
  }

  /** Sessions this asker has. */
  sessionsOf(asker: string): string[] {
    return [...(this.#ofAsker.get(asker)?.keys() ?? [])];
  }

  /** Frees what nobody has renewed in time, and returns it. */
  expire(nowMs: number): Lease[] {
    const over = [...this.#leases.values()].filter((lease) => lease.expiresAtMs <= nowMs);
    for (const lease of over) this.#take(lease);
    return over;
  }

  #requireRoom({ providerId, slots }: { providerId: string; slots: number }, asker: string): void {
    const open = this.#onProvider.get(providerId);
    if (!open) {
      if (slots < 1) throw new VesselError('provider_busy');
      return;
    }
    if (open.size >= Math.min(slots, limits.maxSessionsPerProvider)) throw new VesselError('provider_busy');
    let ofAsker = 0;
    for (const lease of open.values()) if (lease.asker === asker) ofAsker++;
    if (ofAsker < limits.maxSessionsPerAsker) return;
    throw new VesselError('rate_limited', 'You have too many answers running at once. Wait for one to end.');
  }

  #put(lease: Lease): void {
    this.#leases.set(lease.session, lease);
    for (const id of lease.providerIds) index(this.#onProvider, id, lease);
    index(this.#ofAsker, lease.asker, lease);
  }

  #take(lease: Lease): void {
    this.#leases.delete(lease.session);
    for (const id of lease.providerIds) unindex(this.#onProvider, id, lease);
    unindex(this.#ofAsker, lease.asker, lease);
  }
}

function index(map: Map<string, Map<string, Lease>>, key: string, lease: Lease): void {
  const leases = map.get(key) ?? new Map<string, Lease>();
  map.set(key, leases.set(lease.session, lease));
}

function unindex(map: Map<string, Map<string, Lease>>, key: string, lease: Lease): void {
  const leases = map.get(key);
  leases?.delete(lease.session);
  if (leases?.size === 0) map.delete(key);
}
