/**
 * The relay's mind: who is there, who holds what, who may use whom. Sockets and HTTP are outside; messages to providers leave
 * through `send`. Presence lives in memory alone and is rebuilt from heartbeats (design R3).
 */
import { randomBytes } from 'node:crypto';
import type { MatchedRoute } from '../sdk/ask-ports.ts';
import { languageShardBytes } from '../shared/models/shard-blobs.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type {
  Capability,
  NetworkView,
  PresenceClientMessage,
  PresenceRelayMessage,
  ShardRef,
  ShardState,
} from '../shared/protocol/presence-messages.ts';
import type { Ask, Share } from '../shared/receipts/price.ts';
import { type AllocationPolicy, allocate } from './matching/allocate.ts';
import { Leases } from './matching/leases.ts';
import { matchingLimits } from './matching/matching-limits.ts';
import { planRoute } from './matching/plan-route.ts';
import type { HeldShard, Provider } from './matching/provider.ts';
import { Registry } from './matching/registry.ts';
import { type AgainRequest, isBetween, replanProviders } from './matching/replan.ts';
import { WaitingLine } from './matching/waiting-line.ts';
import type { ServedModel, ServedModels } from './models/served-models.ts';

type HeartbeatMessage = Extract<PresenceClientMessage, { type: 'heartbeat' }>;

/** Copies of each whole-graph model the relay asks for. */
const graphReplicas = 2;
/** The rest of a provider's list is for its layers. */
const maxGraphsPerProvider = limits.maxShardsPerProvider - 1;
/** A provider whose shard could not be loaded is left alone for this long. */
const failedRestMs = 30_000;
/** Joins and leaves come in bursts (a page of tabs opens): allocate once for all of them. */
const settleMs = 50;

interface ProviderExtra {
  account: string;
  capability: Capability;
  /** What it asks; null: nothing. */
  ask: Ask | null;
  shards: ShardState[];
  /** What the last `assign` said. */
  assigned: string;
  /** What the last `link` said. */
  linked: string;
  graphs: Set<string>;
  /** Graphs that could not be loaded here, and until when they are not tried again. */
  failedGraphs: Map<string, number>;
  failedUntilMs: number;
  send: (message: PresenceRelayMessage) => void;
}

export interface CoordinatorOptions {
  models: ServedModels;
  clock: Clock;
  policy: (models: readonly ServedModel[]) => AllocationPolicy;
  /** How long an ask waits for a free slot or for missing layers. */
  queueMs: number;
  maxQueued: number;
  onChange?: () => void;
  /** What providers may ask; left out or null: a network without a chain, where everything is free. */
  terms?: () => NetworkTerms | null;
  /** Royalty receivers of a model, and the network. */
  sharesOf?: (model: string) => Promise<Share[]>;
}

export interface MatchRequest {
  /** Name or manifest CID. */
  model: string;
  /** Positions of KV: prompt and answer. */
  tokens: number;
  /** The asker's libp2p peer id. */
  asker: string;
  avoid?: readonly string[];
  /** A session that goes on: these hops stay, others are found for the layers between them. */
  again?: AgainRequest;
  signal?: AbortSignal;
}

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #registry = new Registry();
  readonly #extras = new Map<string, ProviderExtra>();
  readonly #leases = new Leases();
  readonly #line: WaitingLine;
  readonly #askers = new Set<string>();
  #cancelSettle: (() => void) | null = null;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#line = new WaitingLine(options.maxQueued);
  }

  get providers(): number {
    return this.#registry.size;
  }

  get sessions(): number {
    return this.#leases.size;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Peer ids of the hops of every session there is. */
  routes(): (readonly string[])[] {
    return this.#leases.routes();
  }

  /** What is paid for what; null: everything is free. */
  get terms(): NetworkTerms | null {
    return this.#options.terms?.() ?? null;
  }

  /** A client offers compute. `id` is its libp2p peer id: a device may have several tabs. */
  offer(
    id: string,
    account: string,
    capability: Capability,
    send: (message: PresenceRelayMessage) => void,
    ask: Ask | null = null,
  ): void {
    this.#extras.set(id, {
      account,
      capability,
      ask: this.terms && ask,
      shards: [],
      assigned: '',
      linked: '',
      graphs: new Set(),
      failedGraphs: new Map(),
      failedUntilMs: 0,
      send,
    });
    this.#registry.join(
      {
        id,
        peerId: id,
        backend: capability.backend,
        adapter: capability.adapter,
        f16: capability.f16,
        memoryBytes: capability.memoryBytes,
        layerMsPerToken: null,
        state: 'sharing',
        slots: { total: 1, used: 0 },
        shard: null,
        rttMsToPeers: new Map(),
        unreachable: new Set(),
        rating: 1,
      },
      this.#options.clock.now(),
    );
    this.#changed();
  }

  /** Whether this provider is known. One that was silent for too long is not. */
  has(id: string): boolean {
    return this.#extras.has(id);
  }

  /** A provider is gone, by its own word or by silence. */
  withdraw(id: string): void {
    this.#extras.delete(id);
    if (this.#registry.leave(id)) this.#changed();
  }

  heartbeat(id: string, message: HeartbeatMessage): void {
    const extra = this.#extras.get(id);
    if (!extra) return;
    const now = this.#options.clock.now();
    const before = JSON.stringify(extra.shards);
    extra.shards = message.shards;
    const language = message.shards.find(({ model }) => this.#options.models.get(model)?.manifest.kind === 'language');
    if (language?.phase === 'failed') extra.failedUntilMs = now + failedRestMs;
    for (const { model, phase } of message.shards) {
      // A shard that fails keeps a provider from loading the next one: the graph is tried elsewhere.
      if (phase === 'failed' && extra.graphs.delete(model)) extra.failedGraphs.set(model, now + failedRestMs);
    }
    const isResting = extra.failedUntilMs > now;
    const layers = language ? language.to - language.from : 0;
    const result = this.#registry.heartbeat(
      id,
      {
        state: isResting && message.state === 'sharing' ? 'paused' : message.state,
        slots: { total: message.sessions + message.slots, used: message.sessions },
        shard: language && language.phase !== 'failed' ? heldShard(language) : null,
        ...(message.stepMs !== null && layers > 0 ? { layerMsPerToken: message.stepMs / layers } : {}),
        rttMs: message.links.flatMap(([peer, ms]) => (ms === null ? [] : [[peer, ms] as const])),
        unreachable: message.links.flatMap(([peer, ms]) => (ms === null ? [peer] : [])),
      },
      now,
    );
    if (result === 'changed' || before !== JSON.stringify(message.shards)) this.#changed();
  }

  /** Resolves with a session whose hops have been told to expect it. */
  async match({ model: name, tokens, asker, avoid, again, signal }: MatchRequest): Promise<MatchedRoute> {
    const model = this.#options.models.find(name);
    if (!model) throw new VesselError('model_not_found', `No model is called "${name}" here. GET /v1/models lists them.`);
    if (model.manifest.kind === 'language' && tokens > Math.min(model.manifest.architecture.context, limits.maxContext)) {
      throw new VesselError('context_exceeded');
    }
    const deadlineMs = this.#options.clock.now() + this.#options.queueMs;
    const shares = this.terms ? await this.#options.sharesOf?.(model.id) : undefined;
    try {
      const route = await this.#line.wait({
        // Answers that have begun do not stand in line behind those that have not.
        model: again ? `${model.id} again` : model.id,
        deadlineMs,
        signal,
        attempt: () => this.#tryMatch(model, tokens, asker, new Set([...(avoid ?? []), ...this.#tooDear()]), again),
      });
      return shares ? { ...route, shares } : route;
    } catch (thrown) {
      if (thrown instanceof VesselError && thrown.code === 'deadline' && !this.isReady(model.id)) throw this.#noRoute(model);
      throw thrown;
    }
  }

  /** The asker is done with a session. */
  release(session: string, asker: string): void {
    const lease = this.#leases.get(session);
    // Hops know the id too; only who asked may end it here.
    if (lease?.asker !== asker || !this.#leases.release(session)) return;
    // Hops free a session with its stream; this reaches those that were never opened.
    for (const id of lease?.providerIds ?? []) this.#extras.get(id)?.send({ type: 'release', session });
    this.#line.changed();
  }

  /** Askers that are connected keep their sessions; the others' leases run out. */
  askerOnline(asker: string, isOnline: boolean): void {
    if (isOnline) this.#askers.add(asker);
    else this.#askers.delete(asker);
  }

  /** Whether the tabs online hold every layer. */
  isReady(id: string): boolean {
    const model = this.#options.models.get(id);
    if (!model) return false;
    if (model.manifest.kind === 'graph') return this.#graphHolders(id).length > 0;
    const { layers } = model.manifest.architecture;
    const providers = this.#registry.all().map((provider) => ({ ...provider, slots: { total: 1, used: 0 } }));
    return (
      planRoute({ model: id, layers, providers, tokens: { prompt: 1, max: 1 }, circuitRttMs: matchingLimits.circuitRttMs }) !==
      null
    );
  }

  /** Whether some complete route has links that have been measured, all the way round. */
  isLinked(id: string): boolean {
    const holders = this.#registry.all().filter(({ shard }) => shard?.model === id && shard.phase === 'ready');
    const whole = holders.filter(({ shard }) => this.#after(id, shard!.to).length > 0);
    return (
      whole.length > 0 &&
      whole.every((from) => this.#after(id, from.shard!.to).some((to) => to.id === from.id || from.rttMsToPeers.has(to.peerId)))
    );
  }

  /** Models came or went. */
  modelsChanged(): void {
    this.#changed();
  }

  /** Call it about twice a second. */
  tick(): void {
    const now = this.#options.clock.now();
    const gone = this.#registry.expire(now);
    for (const id of gone) this.#extras.delete(id);
    for (const asker of this.#askers) this.#renewOf(asker, now);
    this.#leases.expire(now);
    this.#line.expire(now);
    if (gone.length > 0) this.#changed();
  }

  view(): NetworkView {
    return {
      providers: this.#registry
        .all()
        .slice(0, 2000)
        .map(({ id, peerId, backend }) => ({
          peer: peerId,
          backend,
          shards: this.#extras.get(id)?.shards ?? [],
          sessions: this.#leases.used(id),
        })),
      models: this.#options.models.list().map(({ id, manifest }) => ({
        id,
        name: manifest.name,
        kind: manifest.kind,
        layers: manifest.kind === 'language' ? manifest.architecture.layers : 1,
        ready: this.isReady(id),
      })),
    };
  }

  close(): void {
    this.#cancelSettle?.();
    this.#line.close(new VesselError('relay_lost', 'The relay is shutting down.'));
  }

  #renewOf(asker: string, now: number): void {
    for (const session of this.#leases.sessionsOf(asker)) this.#leases.renew(session, now);
  }

  #tryMatch(
    model: ServedModel,
    tokens: number,
    asker: string,
    avoid: ReadonlySet<string>,
    again?: AgainRequest,
  ): MatchedRoute | null {
    const hops = again ? this.#replan(model, tokens, avoid, again) : this.#plan(model, tokens, avoid);
    if (!hops) return null;
    const session = again?.session ?? randomBytes(16).toString('hex');
    const stays = new Set(again?.kept.map(({ provider }) => provider));
    const slots = (id: string) => (stays.has(id) ? limits.maxSessionsPerProvider : this.#slots(id));
    const lease = { session, asker, model: model.id, hops: hops.map(({ id }) => ({ providerId: id, slots: slots(id) })) };
    const now = this.#options.clock.now();
    if (again) this.#leases.move(lease, now);
    else this.#leases.reserve(lease, now);
    for (const { id, from, to } of hops) {
      if (stays.has(id)) continue;
      const isAgain = again ? { again: true as const } : {};
      this.#extras.get(id)!.send({ type: 'lease', session, asker, model: model.id, from, to, capacity: tokens, ...isAgain });
    }
    return { session, model: model.id, hops: hops.map((hop) => this.#routeHop(hop)) };
  }

  /** A hop that stays may be unknown here, after a restart: its asker knows it. */
  #routeHop({ id, from, to }: { id: string; from: number; to: number }): MatchedRoute['hops'][number] {
    const extra = this.#extras.get(id);
    if (!extra) return { provider: id, account: `0x${'0'.repeat(40)}`, from, to, backend: 'wasm', adapter: '' };
    const { account, capability, ask } = extra;
    const { backend, adapter } = capability;
    return { provider: id, account, from, to, backend, adapter, ...(ask ? { ask } : {}) };
  }

  /** Holders for the layers that were lost; where there are none, a route of which as much stays as can. */
  #replan(model: ServedModel, tokens: number, avoid: ReadonlySet<string>, { session, kept }: AgainRequest) {
    if (model.manifest.kind !== 'language') return null;
    const providers = replanProviders(model.id, this.#loaded(session), kept);
    const between = providers.filter(({ id, shard }) => kept.some(({ provider }) => provider === id) || isBetween(shard, kept));
    return (
      this.#planLayers(model.id, model.manifest.architecture.layers, tokens, between, avoid) ??
      this.#planLayers(model.id, model.manifest.architecture.layers, tokens, providers, avoid)
    );
  }

  /** Providers with the sessions they have, one session left out. */
  #loaded(except?: string): Provider[] {
    const without = new Set(except === undefined ? [] : this.#leases.get(except)?.providerIds);
    return this.#registry.all().map((provider) => ({
      ...provider,
      slots: {
        total: this.#slots(provider.id),
        used: this.#leases.used(provider.id) - (without.has(provider.id) ? 1 : 0),
      },
    }));
  }

  #plan(model: ServedModel, tokens: number, avoid: ReadonlySet<string>): { id: string; from: number; to: number }[] | null {
    if (model.manifest.kind === 'graph') {
      const free = this.#graphHolders(model.id)
        .filter((id) => !avoid.has(id) && this.#leases.used(id) < this.#slots(id))
        .sort((a, b) => this.#leases.used(a) - this.#leases.used(b))[0];
      return free === undefined ? null : [{ id: free, from: 0, to: 1 }];
    }
    return this.#planLayers(model.id, model.manifest.architecture.layers, tokens, this.#loaded(), avoid);
  }

  #planLayers(model: string, layers: number, tokens: number, providers: readonly Provider[], exclude: ReadonlySet<string>) {
    const route = planRoute({
      model,
      layers,
      providers,
      exclude,
      // A pair that failed once may connect now; it is the last choice, not a forbidden one.
      circuitRttMs: matchingLimits.circuitRttMs,
      tokens: { prompt: Math.ceil(tokens / 2), max: Math.ceil(tokens / 2) },
    });
    return route?.hops.map(({ providerId, from, to }) => ({ id: providerId, from, to })) ?? null;
  }

  /** Providers that ask more than the network's price are not used. */
  #tooDear(): string[] {
    const { terms } = this;
    if (!terms) return [];
    const isTooDear = (ask: Ask | null) => ask !== null && (ask.prompt > terms.ask.prompt || ask.output > terms.ask.output);
    return [...this.#extras].flatMap(([id, { ask }]) => (isTooDear(ask) ? [id] : []));
  }

  #slots(id: string): number {
    return this.#registry.get(id)?.slots.total ?? 0;
  }

  #graphHolders(model: string): string[] {
    return [...this.#extras]
      .filter(([, { shards }]) => shards.some((shard) => shard.model === model && shard.phase === 'ready'))
      .map(([id]) => id);
  }

  #noRoute(model: ServedModel): VesselError {
    const held = this.#registry.all().filter(({ shard }) => shard?.model === model.id).length;
    return new VesselError(
      'no_route',
      `The ${this.#registry.size} providers online (${held} of them with layers of it) do not hold every layer of ${model.manifest.name}. Open the page in one more tab and press start.`,
    );
  }

  #changed(): void {
    this.#cancelSettle ??= this.#options.clock.after(settleMs, () => {
      this.#cancelSettle = null;
      this.#allocate();
      this.#line.changed();
      this.#options.onChange?.();
    });
  }

  #allocate(): void {
    const models = this.#options.models.list();
    const placed = models.flatMap((model) => (model.placed ? [model.placed] : []));
    const providers = this.#registry.all();
    for (const { providerId, range } of allocate({ models: placed, providers }, this.#options.policy(models))) {
      this.#registry.assign(providerId, range);
    }
    this.#allocateGraphs(models);
    for (const [id, extra] of this.#extras) {
      this.#tell(id, extra);
      this.#introduce(id, extra);
    }
  }

  /** Whole graphs are small: each goes to the providers with the fewest of them, where memory is left. */
  #allocateGraphs(models: readonly ServedModel[]): void {
    const graphs = models.filter(({ manifest }) => manifest.kind === 'graph');
    const known = new Set(graphs.map(({ id }) => id));
    const sharing = new Set(this.#registry.all().flatMap(({ id, state }) => (state === 'sharing' ? [id] : [])));
    for (const [id, { graphs: held }] of this.#extras) {
      for (const graph of held) {
        // Layers come first: a provider that got more of them gives graphs back.
        if (!known.has(graph) || !sharing.has(id) || this.#spareBytes(id) < 0) held.delete(graph);
      }
    }
    const now = this.#options.clock.now();
    for (const { id, bytes } of graphs) {
      const holders = () => [...this.#extras.values()].filter((extra) => extra.graphs.has(id)).length;
      const candidates = [...this.#extras]
        .filter(
          ([provider, extra]) =>
            sharing.has(provider) &&
            !extra.graphs.has(id) &&
            extra.graphs.size < maxGraphsPerProvider &&
            (extra.failedGraphs.get(id) ?? 0) <= now &&
            this.#spareBytes(provider) >= bytes,
        )
        .sort(([, a], [, b]) => a.graphs.size - b.graphs.size);
      for (const [, extra] of candidates) if (holders() < graphReplicas) extra.graphs.add(id);
    }
  }

  #spareBytes(id: string): number {
    const provider = this.#registry.get(id);
    if (!provider) return 0;
    let spare = provider.memoryBytes;
    if (provider.shard) {
      const model = this.#options.models.get(provider.shard.model);
      if (model?.manifest.kind === 'language') spare -= languageShardBytes(model.manifest, provider.shard);
    }
    for (const graph of this.#extras.get(id)?.graphs ?? []) spare -= this.#options.models.get(graph)?.bytes ?? 0;
    return spare;
  }

  /** Ready holders of the layers that follow `boundary`; after the last layer the token goes back to the first. */
  #after(model: string, boundary: number): Provider[] {
    const manifest = this.#options.models.get(model)?.manifest;
    const next = manifest?.kind === 'language' && boundary === manifest.architecture.layers ? 0 : boundary;
    return this.#registry.all().filter(({ shard }) => shard?.model === model && shard.phase === 'ready' && shard.from === next);
  }

  /** Neighbours dial each other before anyone asks, so that the first token does not wait for it and bad pairs are known. */
  #introduce(id: string, extra: ProviderExtra): void {
    const provider = this.#registry.get(id);
    if (provider?.shard?.phase !== 'ready') return;
    const peers = this.#after(provider.shard.model, provider.shard.to)
      .map(({ peerId }) => peerId)
      .filter((peer) => peer !== provider.peerId)
      .slice(0, limits.maxNeighbours);
    const text = peers.join();
    if (text === '' || text === extra.linked) return;
    extra.linked = text;
    extra.send({ type: 'link', peers });
  }

  #tell(id: string, extra: ProviderExtra): void {
    const shard = this.#registry.get(id)?.shard;
    const shards: ShardRef[] = shard ? [{ model: shard.model, from: shard.from, to: shard.to }] : [];
    for (const model of extra.graphs) shards.push({ model, from: 0, to: 1 });
    const text = JSON.stringify(shards);
    if (text === extra.assigned) return;
    extra.assigned = text;
    extra.send({ type: 'assign', shards });
  }
}

function heldShard({ model, from, to, phase, progress }: ShardState): HeldShard {
  return { model, from, to, phase: phase === 'ready' ? 'ready' : 'loading', progress };
}
