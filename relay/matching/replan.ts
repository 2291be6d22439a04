/** Planning for a session that has lost hops: those that stay hold its KV, so others are found for the layers between them. */
import { limits } from '../../shared/protocol/limits.ts';
import type { HeldShard, Provider } from './provider.ts';

export interface KeptHop {
  /** Peer id. */
  provider: string;
  from: number;
  to: number;
}

export interface AgainRequest {
  session: string;
  kept: readonly KeptHop[];
}

/** Providers as the planner shall see them: hops that stay are there, have room, and hold what they held. */
export function replanProviders(model: string, providers: readonly Provider[], kept: readonly KeptHop[]): Provider[] {
  const stays = new Map(kept.map((hop) => [hop.provider, hop]));
  const others = providers.filter(({ id }) => !stays.has(id));
  const known = new Map(providers.map((provider) => [provider.id, provider]));
  return [...others, ...kept.map((hop) => stay(model, hop, known.get(hop.provider)))];
}

/** These layers lie between the hops that stay. */
export function isBetween(shard: HeldShard | null, kept: readonly KeptHop[]): boolean {
  return shard !== null && kept.every(({ from, to }) => shard.to <= from || shard.from >= to);
}

/** Also one that the relay has lost sight of, because it was started again or the hop's own link to it broke. */
function stay(model: string, { provider: id, from, to }: KeptHop, known: Provider | undefined): Provider {
  return {
    id,
    peerId: id,
    backend: 'wasm',
    adapter: '',
    f16: false,
    memoryBytes: 0,
    layerMsPerToken: null,
    rttMsToPeers: new Map(),
    unreachable: new Set(),
    rating: 1,
    lastSeenMs: 0,
    ...known,
    state: 'sharing',
    slots: { total: limits.maxSessionsPerProvider, used: 0 },
    shard: { model, from, to, phase: 'ready', progress: 1 },
  };
}
