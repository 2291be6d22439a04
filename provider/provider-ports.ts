/**
 * What the provider core asks of the place it runs in. A tab implements them over libp2p on the page and a worker port, Node
 * over libp2p directly, the simulation with queues.
 */

import type { GraphManifest, LanguageManifest } from '../shared/models/manifest.ts';
import type { HopMessage } from '../shared/protocol/order-messages.ts';
import type { ShardRef, ShardState } from '../shared/protocol/presence-messages.ts';
import type { ShardRuntime } from './runtime/shard-runtime.ts';
import type { GraphService } from './services/service-runtime.ts';

export interface ProviderLinks {
  /** This provider's own peer id. */
  readonly self: string;
  /** Makes sure that a link to `peer` is up. Rejects with `provider_lost` when it cannot be had. */
  connect(peer: string): Promise<void>;
  /** Hands a frame to the transport, waiting while its buffer is full. Rejects with `provider_lost`. */
  sendFrame(peer: string, frame: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Answers on an order stream; a closed stream swallows it. */
  reply(order: number, message: HopMessage): void;
}

export type HeldShard =
  | { kind: 'language'; ref: ShardRef; manifest: LanguageManifest; runtime: ShardRuntime; bytes: number; stepMs?: number }
  | { kind: 'graph'; ref: ShardRef; manifest: GraphManifest; service: GraphService; bytes: number };

export interface DownloadProgress {
  bytes: number;
  total: number;
}

export type LoadProgress = (phase: ShardState['phase'], download?: DownloadProgress) => void;

/** Fetches, verifies, loads and canaries a shard. Throws VesselError. */
export type LoadShard = (ref: ShardRef, onProgress: LoadProgress, signal: AbortSignal) => Promise<HeldShard>;

export interface Lease {
  session: string;
  asker: string;
  model: string;
  from: number;
  to: number;
  capacity: number;
  /** For a hop that takes another's place. */
  again?: true | undefined;
}
