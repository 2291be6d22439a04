/**
 * What the relay knows of a provider. It is soft state: a relay that restarts knows nothing and learns it again from the next
 * join and heartbeats. Allocation, routes and leases read these records and nothing else.
 */
export type ProviderState = 'sharing' | 'paused' | 'leaving';
export type ShardPhase = 'assigned' | 'loading' | 'ready';

/** Layers [from, to) of a model. A graph is built for the exact range: activations enter at `from` and leave at `to`, nowhere between. */
export interface LayerRange {
  model: string;
  from: number;
  to: number;
}

export interface HeldShard extends LayerRange {
  phase: ShardPhase;
  /** 0…1, of the bytes to load. */
  progress: number;
}

export interface Provider {
  /** Account of the device. */
  id: string;
  /** libp2p peer id. */
  peerId: string;
  backend: 'webgpu' | 'wasm';
  adapter: string;
  /** Whether the device has f16 arithmetic. */
  f16: boolean;
  /** What the provider pledged, weights and KV together. */
  memoryBytes: number;
  /** Milliseconds per layer and token, measured; null until the first measurement. */
  layerMsPerToken: number | null;
  state: ProviderState;
  slots: { total: number; used: number };
  shard: HeldShard | null;
  /** Measured round trips, by peer id. A pair that is listed has connected before: it is proven. */
  rttMsToPeers: Map<string, number>;
  /** Peer ids to which a direct link has failed. */
  unreachable: Set<string>;
  lastSeenMs: number;
  /** 0…1. */
  rating: number;
}

export function isSameRange(a: LayerRange | null, b: LayerRange | null): boolean {
  if (a === null || b === null) return a === b;
  return a.model === b.model && a.from === b.from && a.to === b.to;
}
