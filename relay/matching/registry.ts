import { limits } from '../../shared/protocol/limits.ts';
import { type HeldShard, isSameRange, type LayerRange, type Provider, type ProviderState } from './provider.ts';

/** What a provider says about itself in one heartbeat. What is absent has not changed. */
export interface Heartbeat {
  state?: ProviderState;
  slots?: { total: number; used: number };
  memoryBytes?: number;
  layerMsPerToken?: number | null;
  /** What it really holds. */
  shard?: HeldShard | null;
  /** [peer id, round trip in ms] of links it has measured since the last heartbeat. */
  rttMs?: readonly (readonly [string, number])[];
  /** Peers it could not reach. A later round trip clears the entry. */
  unreachable?: readonly string[];
}

/** `changed`: what allocation or routes depend on is different now. `unknown`: it must join again. */
export type HeartbeatResult = 'unknown' | 'same' | 'changed';

/** The providers a relay knows. Time is passed in, so silence is noticed only when `expire` is called. */
export class Registry {
  readonly #providers = new Map<string, Provider>();
  /** Providers that have been assigned something, or nothing, since they joined: from then on the relay's word counts. */
  readonly #decided = new Set<string>();

  get size(): number {
    return this.#providers.size;
  }

  get(id: string): Provider | undefined {
    return this.#providers.get(id);
  }

  /** Live records, in order of joining. */
  all(): Provider[] {
    return [...this.#providers.values()];
  }

  /** Takes a provider in; the same id joining again replaces what was known (a tab that reloaded). */
  join(provider: Omit<Provider, 'lastSeenMs'>, nowMs: number): void {
    this.leave(provider.id);
    this.#providers.set(provider.id, {
      ...provider,
      slots: { ...provider.slots },
      shard: provider.shard && { ...provider.shard },
      rttMsToPeers: new Map(provider.rttMsToPeers),
      unreachable: new Set(provider.unreachable),
      lastSeenMs: nowMs,
    });
  }

  heartbeat(id: string, beat: Heartbeat, nowMs: number): HeartbeatResult {
    const provider = this.#providers.get(id);
    if (!provider) return 'unknown';
    provider.lastSeenMs = Math.max(provider.lastSeenMs, nowMs);
    let isChanged = false;
    // Leaving is one-way: a heartbeat that was on its way when the tab said goodbye must not bring it back.
    if (beat.state && beat.state !== provider.state && provider.state !== 'leaving') {
      provider.state = beat.state;
      isChanged = true;
    }
    if (beat.slots) {
      isChanged ||= beat.slots.total !== provider.slots.total || beat.slots.used !== provider.slots.used;
      provider.slots = { ...beat.slots };
    }
    if (beat.memoryBytes !== undefined) {
      isChanged ||= beat.memoryBytes !== provider.memoryBytes;
      provider.memoryBytes = beat.memoryBytes;
    }
    if (beat.layerMsPerToken !== undefined) provider.layerMsPerToken = beat.layerMsPerToken;
    if (beat.shard !== undefined && this.#takeReport(provider, beat.shard)) isChanged = true;
    for (const peerId of beat.unreachable ?? []) {
      isChanged ||= !provider.unreachable.has(peerId);
      provider.unreachable.add(peerId);
      provider.rttMsToPeers.delete(peerId);
    }
    for (const [peerId, ms] of beat.rttMs ?? []) {
      isChanged ||= provider.unreachable.delete(peerId);
      provider.rttMsToPeers.set(peerId, ms);
    }
    return isChanged ? 'changed' : 'same';
  }

  /** Records what allocation decided; the provider's own reports advance it from `assigned`. */
  assign(id: string, range: LayerRange | null): void {
    const provider = this.#providers.get(id);
    if (!provider) return;
    this.#decided.add(id);
    if (isSameRange(provider.shard, range)) return;
    provider.shard = range && { model: range.model, from: range.from, to: range.to, phase: 'assigned', progress: 0 };
  }

  setRating(id: string, rating: number): void {
    const provider = this.#providers.get(id);
    if (provider) provider.rating = Math.min(1, Math.max(0, rating));
  }

  /** Forgets a provider and every measurement of links to it. False if it was not known. */
  leave(id: string): boolean {
    const gone = this.#providers.get(id);
    if (!gone) return false;
    this.#providers.delete(id);
    this.#decided.delete(id);
    for (const other of this.#providers.values()) {
      other.rttMsToPeers.delete(gone.peerId);
      other.unreachable.delete(gone.peerId);
    }
    return true;
  }

  /** Forgets who has been silent for longer than the heartbeats it may miss, and returns their ids. */
  expire(nowMs: number): string[] {
    const silenceMs = limits.heartbeatMs * limits.heartbeatMissesAllowed;
    const ids = this.all().flatMap((provider) => (nowMs - provider.lastSeenMs > silenceMs ? [provider.id] : []));
    for (const id of ids) this.leave(id);
    return ids;
  }

  /**
   * Merges a report with what was assigned. A report of another range (or of none) while the assignment is still on its way
   * is old news; after loading has begun it means that the provider dropped the shard.
   */
  #takeReport(provider: Provider, report: HeldShard | null): boolean {
    const known = provider.shard;
    if (isSameRange(known, report)) {
      const isChanged = known !== null && report !== null && known.phase !== report.phase;
      provider.shard = report && { ...report };
      return isChanged;
    }
    if (known?.phase === 'assigned') return false;
    // A relay that has restarted learns here what is loaded; one that took a shard away does not give it back.
    if (known === null && this.#decided.has(provider.id)) return false;
    provider.shard = known === null && report ? { ...report } : null;
    return true;
  }
}
