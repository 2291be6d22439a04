/**
 * What the screens know of the network, and the few things they may ask of it. `web/net` implements `VesselNode` on libp2p,
 * the relay's socket and the compute worker; `web/app/testing/fake-node.ts` implements it for developing and testing screens.
 *
 * Snapshots are immutable: a change replaces the objects on its path and keeps every other one, so that a screen that selects
 * `state.models` is not redrawn by a token. Publish at most once per animation frame: tokens may come faster than that.
 */
import type { Backend } from '../../provider/runtime/shard-runtime.ts';
import type { ErrorCode } from '../../shared/protocol/errors.ts';

export interface Observable<T> {
  /** Calls `listener` after each change; returns the way to stop. */
  subscribe(listener: () => void): () => void;
  getSnapshot(): T;
}

/** What this browser and this address allow. `null` in the state until it was looked at. */
export interface Support {
  secureContext: boolean;
  /** Adapter name for people, e.g. "apple m2"; null without WebGPU. */
  webgpu: string | null;
  /** Whether models can be kept between visits. */
  opfs: boolean;
  webrtc: boolean;
  /** Why something above is missing, when the browser says so. */
  reason?: string;
}

export interface HeldShard {
  model: string;
  /** Layers [from, to) of `layers`. */
  from: number;
  to: number;
  layers: number;
}

/** `hidden`: a phone whose page is not in front, which the system would suspend anyway. */
export type PauseReason = 'hidden' | 'battery' | 'metered' | 'relay';

export type ContributionPhase =
  | { phase: 'off' }
  /** Waiting for the relay to name a shard. */
  | { phase: 'starting' }
  | { phase: 'downloading'; progress: { bytes: number; total: number } }
  /** Weights go to the device and the graph is compiled. */
  | { phase: 'loading' }
  /** The canary of design C2. */
  | { phase: 'checking' }
  | { phase: 'ready' }
  /** At least one session is open. */
  | { phase: 'working' }
  | { phase: 'paused'; reason: PauseReason }
  | { phase: 'failed'; code: ErrorCode; message: string };

export interface ContributionFacts {
  shard: HeldShard | null;
  backend: Backend | null;
  /** e.g. "google swiftshader", "wasm 1 thread". */
  adapter: string | null;
  /** Where weights are kept: `memory` is lost when the tab closes. */
  storage: 'opfs' | 'memory' | null;
  /** Sessions open now. */
  sessions: number;
  /** Since Start was pressed. */
  tokensServed: number;
  bytesIn: number;
  bytesOut: number;
  /** Part of the time the device may compute, above 0, at most 1. */
  dutyCycle: number;
}

export type Contribution = ContributionPhase & ContributionFacts;

export interface NetworkModel {
  /** Manifest CID. */
  id: string;
  name: string;
  kind: 'language' | 'graph';
  /** 0 for a graph. */
  layers: number;
  /** Providers online hold every layer. */
  ready: boolean;
}

export interface NetworkProvider {
  /** Short enough to read, unique among those shown. */
  id: string;
  /** Model id or name. */
  model: string;
  from: number;
  to: number;
  backend: Backend;
  you: boolean;
}

export interface RouteHopView {
  /** Short id, as in `NetworkProvider`. */
  id: string;
  from: number;
  to: number;
  backend: Backend;
  adapter: string;
  you: boolean;
  /** Frames that have reached this hop. Only grows; each step is one pulse in the picture. */
  pulses: number;
}

/** The route of this page's latest question. Stays after the answer until the next one. */
export interface RouteView {
  /** Model id or name. */
  model: string;
  hops: RouteHopView[];
  /** Tokens that came back to the asker. */
  tokens: number;
  /** An answer is on its way. */
  active: boolean;
}

export interface NodeState {
  support: Support | null;
  relay: 'connecting' | 'online' | 'offline';
  contribution: Contribution;
  models: NetworkModel[];
  network: { providers: NetworkProvider[] };
  route: RouteView | null;
}

export interface ContributionSettings {
  /** Weights and KV together must fit into this. */
  memoryBytes: number;
  dutyCycle: number;
  /** Absent: WebGPU where there is an adapter, else wasm. */
  backend?: Backend;
  /** Other devices do not learn this one's address, for giving and for asking. Absent: as it was. */
  hideAddress?: boolean;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface AskRequest {
  /** Model id or name. */
  model: string;
  messages: ChatMessage[];
  temperature: number;
  maxTokens: number;
  signal: AbortSignal;
}

export type AnswerEvent =
  | { type: 'route'; hops: RouteHopView[] }
  | { type: 'text'; delta: string }
  | {
      type: 'done';
      reason: 'stop' | 'length';
      usage: { promptTokens: number; completionTokens: number };
      tokensPerSecond: number;
      /** Wei; null for a free answer. */
      price: bigint | null;
    };

export interface VesselNode {
  readonly state: Observable<NodeState>;
  /** Never called without a press of Start. Resolves when the tab is ready; failures are in the state, not thrown. */
  startContribution(settings: ContributionSettings): Promise<void>;
  /** Stops at once: open sessions move to other providers, memory is freed. */
  stopContribution(): Promise<void>;
  /** Takes no new work and says so to the relay; `resumeContribution` undoes it. Nothing happens while contribution is off. */
  pauseContribution(reason: PauseReason): void;
  resumeContribution(): void;
  /** Ends with `done` or throws a VesselError; leaving the loop or aborting frees every hop. */
  ask(request: AskRequest): AsyncIterable<AnswerEvent>;
}

export const contributionOff: Contribution = {
  phase: 'off',
  shard: null,
  backend: null,
  adapter: null,
  storage: null,
  sessions: 0,
  tokensServed: 0,
  bytesIn: 0,
  bytesOut: 0,
  dutyCycle: 1,
};
