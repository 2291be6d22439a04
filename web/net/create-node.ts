/** The real `VesselNode`: one client of the relay for giving and asking, one worker while contributing. */

import { createAskIds } from '../../sdk/ask-ids.ts';
import { type AnswerEvent, type AskRequest, askText } from '../../sdk/ask-text.ts';
import { ModelSource } from '../../sdk/model-source.ts';
import { NetworkClient } from '../../sdk/net/network-client.ts';
import { OrderPool } from '../../sdk/order-pool.ts';
import { systemClock } from '../../sdk/system-clock.ts';
import { type ErrorCode, toVesselError } from '../../shared/protocol/errors.ts';
import type { NetworkView } from '../../shared/protocol/presence-messages.ts';
import type { AskPayer } from '../../shared/receipts/ask-payer.ts';
import { detectSupport } from '../app/detect-support.ts';
import { keepHideAddress, readHideAddress } from '../app/hide-address.ts';
import {
  type Contribution,
  type ContributionPhase,
  type ContributionSettings,
  contributionOff,
  type AnswerEvent as PageAnswerEvent,
  type AskRequest as PageAskRequest,
  type PauseReason,
  type RouteHopView,
  type VesselNode,
} from '../app/network.ts';
import type { WorkerStatus } from '../worker/bridge-messages.ts';
import { ComputeBridge } from './compute-bridge.ts';
import { openDeviceKey, openDevicePair } from './device-key-store.ts';
import { NodeStore } from './node-store.ts';

const shortIdLength = 6;

export function createNode(relayUrl = location.origin): VesselNode {
  return new PageNode(relayUrl);
}

class PageNode implements VesselNode {
  readonly state: NodeStore;
  readonly #relayUrl: string;
  readonly #models: ModelSource;
  #client: Promise<NetworkClient>;
  #hidesAddress = readHideAddress();
  #online: NetworkClient | null = null;
  #pool: OrderPool | null = null;
  /** Pays for what is asked here; null where everything is free, or where the visitor has no money set aside. */
  #payer: Promise<AskPayer | null> | null = null;
  #bridge: ComputeBridge | null = null;
  #view: NetworkView = { providers: [], models: [] };
  #paused: PauseReason | null = null;
  #traffic = { in: 0, out: 0 };

  constructor(relayUrl: string) {
    this.#relayUrl = relayUrl;
    this.#models = new ModelSource(relayUrl);
    this.state = new NodeStore({
      support: null,
      relay: 'connecting',
      contribution: contributionOff,
      models: [],
      network: { providers: [] },
      route: null,
    });
    void detectSupport().then((support) => this.state.update({ support }));
    this.#client = this.#connect();
    this.#client.catch(() => undefined);
  }

  async startContribution(settings: ContributionSettings): Promise<void> {
    if (this.#bridge) return;
    this.#paused = null;
    this.#traffic = { in: 0, out: 0 };
    this.#contribution({ phase: 'starting' }, { ...contributionOff, dutyCycle: settings.dutyCycle });
    try {
      await this.#hideAddress(settings.hideAddress ?? this.#hidesAddress);
      const client = await this.#client;
      const hasGpu = (this.state.current.support ?? (await detectSupport())).webgpu !== null;
      const backend = settings.backend ?? (hasGpu ? 'webgpu' : 'wasm');
      this.#bridge = new ComputeBridge(
        client.node,
        {
          self: client.peer,
          relayUrl: this.#relayUrl,
          ortPath: new URL('/ort/', location.href).href,
          backend,
          memoryBytes: settings.memoryBytes,
          dutyCycle: settings.dutyCycle,
          key: { publicKey: (await openDeviceKey()).publicKey, privateKey: (await openDevicePair()).privateKey },
          terms: client.terms,
        },
        {
          onStatus: (status) => this.#show(status),
          onFailed: ({ code, message }) => this.#failed(code as ErrorCode, message),
          onTraffic: (bytesIn, bytesOut) => {
            this.#traffic.in += bytesIn;
            this.#traffic.out += bytesOut;
          },
          sendToRelay: (message) => client.send(message),
        },
      );
      this.#contribution({ phase: 'starting' }, { backend });
      await this.#bridge.serve();
      await this.#settled();
    } catch (thrown) {
      const { code, message } = toVesselError(thrown);
      this.#failed(code, message);
    }
  }

  async stopContribution(): Promise<void> {
    const bridge = this.#bridge;
    this.#bridge = null;
    this.state.update({ contribution: contributionOff });
    await bridge?.stop();
  }

  pauseContribution(reason: PauseReason): void {
    if (!this.#bridge) return;
    this.#paused = reason;
    this.#bridge.post({ type: 'paused', paused: true });
    this.#contribution({ phase: 'paused', reason });
  }

  resumeContribution(): void {
    if (!this.#bridge || !this.#paused) return;
    this.#paused = null;
    this.#bridge.post({ type: 'paused', paused: false });
    this.#contribution({ phase: 'starting' });
  }

  async *ask(request: PageAskRequest): AsyncGenerator<PageAnswerEvent> {
    const client = await this.#client;
    this.#pool ??= new OrderPool(client);
    const { model, messages, temperature, maxTokens, signal } = request;
    const payer = await this.#openPayer(client);
    const asked: AskRequest = { model, messages, maxTokens, sampling: { temperature }, signal, ...(payer ? { payer } : {}) };
    let firstAtMs = 0;
    let tokens = 0;
    try {
      for await (const event of askText(this.#models, createAskIds(client, this.#pool), asked)) {
        if (event.type === 'text' && event.token >= 0) {
          tokens++;
          if (tokens === 1) firstAtMs = performance.now();
          this.#pulse(tokens);
        }
        const shown = this.#toPage(event, model, { tokens, firstAtMs });
        if (shown) yield shown;
      }
    } finally {
      const { route } = this.state.current;
      if (route) this.state.update({ route: { ...route, active: false } });
    }
  }

  /** Connections that are open have shown the address, or hidden it: a change begins with a new place in the network. */
  async #hideAddress(hide: boolean): Promise<void> {
    if (hide === this.#hidesAddress) return;
    this.#hidesAddress = hide;
    keepHideAddress(hide);
    const old = this.#client;
    const pool = this.#pool;
    this.#pool = null;
    this.#online = null;
    this.#client = old
      .then(async (client) => {
        await pool?.close();
        await client.stop();
      })
      .then(() => this.#connect());
    await this.#client;
  }

  async #openPayer({ terms }: NetworkClient): Promise<AskPayer | null> {
    if (!terms) return null;
    this.#payer ??= import('./pocket.ts').then(({ openPocket }) => openPocket(this.#relayUrl, terms));
    try {
      return await this.#payer;
    } catch (thrown) {
      this.#payer = null;
      throw thrown;
    }
  }

  #toPage(event: AnswerEvent, model: string, so: { tokens: number; firstAtMs: number }): PageAnswerEvent | null {
    switch (event.type) {
      case 'route': {
        const hops: RouteHopView[] = event.hops.map(({ provider, from, to, backend, adapter }) => ({
          id: shortId(provider),
          from,
          to,
          backend,
          adapter,
          you: provider === this.#online?.peer,
          pulses: 0,
        }));
        this.state.update({ route: { model, hops, tokens: 0, active: true } });
        return { type: 'route', hops };
      }
      case 'text':
        return event.text === '' ? null : { type: 'text', delta: event.text };
      case 'done': {
        const seconds = (performance.now() - so.firstAtMs) / 1000;
        return {
          type: 'done',
          reason: event.reason,
          usage: { promptTokens: event.promptTokens, completionTokens: event.completionTokens },
          tokensPerSecond: so.tokens > 1 && seconds > 0 ? (so.tokens - 1) / seconds : 0,
          price: event.paid?.price.total ?? null,
        };
      }
      default:
        return event satisfies never;
    }
  }

  async #connect(): Promise<NetworkClient> {
    for (;;) {
      try {
        const client = await NetworkClient.connect({
          relayUrl: this.#relayUrl,
          key: await openDeviceKey(),
          clock: systemClock,
          hideAddress: this.#hidesAddress,
          onState: (relay) => this.state.update({ relay }),
          onMessage: (message) => this.#bridge?.post({ type: 'relay', message }),
          onWelcome: ({ terms }) => {
            this.#bridge?.post({ type: 'welcomed', terms: terms ?? null });
            this.#online?.send({ type: 'watch', on: true });
          },
          onView: (view) => this.#watched(view),
        });
        this.#online = client;
        client.send({ type: 'watch', on: true });
        return client;
      } catch (thrown) {
        this.state.update({ relay: 'offline' });
        if (!toVesselError(thrown).retry) throw thrown;
        await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 2000));
      }
    }
  }

  #watched(view: NetworkView): void {
    this.#view = view;
    const graphs = new Set(view.models.flatMap(({ id, kind }) => (kind === 'graph' ? [id] : [])));
    this.state.update({
      // A graph is held as a whole: it has no layers to show.
      models: view.models.map((model) => (graphs.has(model.id) ? { ...model, layers: 0 } : model)),
      network: {
        providers: view.providers.flatMap(({ peer, backend, shards }) =>
          shards
            .filter(({ phase }) => phase === 'ready')
            .map(({ model, from, to }) => ({
              id: shortId(peer),
              model,
              ...(graphs.has(model) ? { from: 0, to: 0 } : { from, to }),
              backend,
              you: peer === this.#online?.peer,
            })),
        ),
      },
    });
  }

  #pulse(tokens: number): void {
    const { route } = this.state.current;
    if (!route) return;
    this.state.update({ route: { ...route, tokens, hops: route.hops.map((hop) => ({ ...hop, pulses: tokens })) } });
  }

  #show(status: WorkerStatus): void {
    if (!this.#bridge) return;
    const model = (id: string) => this.#view.models.find((known) => known.id === id);
    const shard = status.shards.find(({ model: id }) => model(id)?.kind === 'language') ?? status.shards[0];
    this.#contribution(this.#phase(status), {
      adapter: status.adapter,
      storage: status.storage,
      sessions: status.sessions,
      tokensServed: status.tokens,
      bytesIn: this.#traffic.in,
      bytesOut: this.#traffic.out,
      shard: shard
        ? {
            model: model(shard.model)?.name ?? shard.model,
            from: shard.from,
            to: shard.to,
            layers: model(shard.model)?.layers ?? shard.to,
          }
        : null,
    });
  }

  #phase(status: WorkerStatus): ContributionPhase {
    if (this.#paused) return { phase: 'paused', reason: this.#paused };
    if (status.failure) return { phase: 'failed', code: status.failure.code, message: status.failure.message };
    if (status.sessions > 0) return { phase: 'working' };
    const busy = status.shards.find(({ phase }) => phase !== 'ready');
    if (busy?.phase === 'downloading') {
      return { phase: 'downloading', progress: status.download };
    }
    if (busy?.phase === 'loading' || busy?.phase === 'checking') return { phase: busy.phase };
    return status.shards.length > 0 ? { phase: 'ready' } : { phase: 'starting' };
  }

  #failed(code: ErrorCode, message: string): void {
    void this.#bridge?.stop();
    this.#bridge = null;
    this.#contribution({ phase: 'failed', code, message });
  }

  #contribution(phase: ContributionPhase, facts: Partial<Contribution> = {}): void {
    const { shard, backend, adapter, storage, sessions, tokensServed, bytesIn, bytesOut, dutyCycle } =
      this.state.current.contribution;
    const before = { shard, backend, adapter, storage, sessions, tokensServed, bytesIn, bytesOut, dutyCycle };
    const { phase: _, ...rest } = facts as Partial<Contribution> & { phase?: string };
    this.state.update({ contribution: { ...before, ...rest, ...phase } as Contribution });
  }

  /** Resolves when the tab is ready or has failed. */
  #settled(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        const { phase } = this.state.current.contribution;
        if (!['ready', 'working', 'failed', 'off'].includes(phase)) return;
        stop();
        resolve();
      };
      const stop = this.state.subscribe(look);
      look();
    });
  }
}

function shortId(peer: string): string {
  return peer.slice(-shortIdLength);
}
