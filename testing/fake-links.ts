/**
 * Wires in memory between provider cores and askers. Messages keep their order on each link and nowhere else: which link delivers
 * next is drawn at random, so a test sees every overtaking that a network allows. All bytes pass through the real encoders,
 * readers and schemas; time passes when nothing is under way.
 */
import { Provider, type ProviderOptions } from '../provider/provider.ts';
import type { HeldShard, Lease, LoadShard } from '../provider/provider-ports.ts';
import type { AskPorts, MatchedRoute, MatchRequest } from '../sdk/ask-ports.ts';
import type { OrderHandlers } from '../sdk/net/order-link.ts';
import type { SessionMessage } from '../sdk/order-pool.ts';
import { languageShardBytes } from '../shared/models/shard-blobs.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { frameRefusalSchema } from '../shared/protocol/frame-refusal.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { AskerMessage, HopMessage } from '../shared/protocol/order-messages.ts';
import { parseMessage } from '../shared/protocol/parse-message.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { ShardRef } from '../shared/protocol/presence-messages.ts';
import { encodeRecord, RecordReader } from '../shared/protocol/record-reader.ts';
import { stringifyMessage } from '../shared/protocol/stringify-message.ts';
import type { Share } from '../shared/receipts/price.ts';
import { FakeRuntime, type FakeRuntimeOptions } from './fake-runtime.ts';
import type { TestModel } from './language-model.ts';
import { ManualTime } from './manual-time.ts';
import { randomNumbers } from './random-numbers.ts';

/** How far time jumps when nothing is under way: less than any deadline, so that none is passed unseen. */
const idleStepMs = 250;
/** More rounds than any test needs: something waits for what never comes. */
const maxRounds = 200_000;

/** A peer id that reads as one: base58, 52 characters. */
export function peerName(name: string): string {
  return `12D3KooW${name.replaceAll('0', 'o').replace(/[^1-9A-HJ-NP-Za-km-z]/g, 'x')}`.padEnd(52, 'z');
}

let sessions = 0;
export function newSession(): string {
  return (++sessions).toString(16).padStart(32, '0');
}

export class FakeWires {
  readonly time = new ManualTime();
  readonly clock: Clock = { now: this.time.clock, after: this.time.after };
  readonly providers = new Map<string, FakeProvider>();
  /** Longest time that one delivery takes in `until`; 0: time stands still while anything is under way. */
  deliveryMs = 0;
  /** Work goes on outside of this process' turns (Web Crypto): no time passes until it is done. */
  isBusy: () => boolean = () => false;
  /** Called about four times a second. */
  readonly onTick: (() => void)[] = [];
  /** Frames that left a provider: sender, receiver, bytes. */
  readonly frames: { from: string; to: string; bytes: Uint8Array<ArrayBuffer> }[] = [];
  readonly #links = new Map<string, (() => void)[]>();
  readonly #uniform: () => number;
  readonly #orders = new Map<number, FakeOrder>();
  #nextOrder = 1;
  #tickedMs = this.time.nowMs;

  constructor(seed = 1) {
    this.#uniform = randomNumbers(seed).uniform;
  }

  /** Puts a message on a link. */
  post(link: string, deliver: () => void): void {
    const waiting = this.#links.get(link) ?? [];
    waiting.push(deliver);
    this.#links.set(link, waiting);
  }

  get orders(): number {
    return this.#orders.size;
  }

  /** Lets everything happen that is under way, without time passing. */
  async settle(): Promise<void> {
    await turn();
    for (let round = 0; this.isBusy() || this.#deliverOne(); round += this.isBusy() ? 0 : 1) {
      if (round > maxRounds) throw new Error('The wires never come to rest.');
      await turn();
    }
  }

  /** Delivers and lets time pass until the promise settles, and returns its result. */
  async until<Result>(promise: Promise<Result>): Promise<Result> {
    let isSettled = false;
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    await turn();
    for (let round = 0; !isSettled; round++) {
      if (round > maxRounds) throw new Error('What the test waits for never happens.');
      if (!this.#deliverOne()) {
        if (this.isBusy()) round--;
        else this.pass(idleStepMs);
      } else if (this.deliveryMs > 0) this.#pass(this.deliveryMs * this.#uniform());
      await turn();
    }
    return promise;
  }

  /** Time passes in small steps, with everything that it sets off. */
  async wait(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= idleStepMs) {
      this.pass(Math.min(idleStepMs, left));
      await this.settle();
    }
  }

  pass(ms: number): void {
    this.time.advance(ms);
    this.#tickedMs = this.time.nowMs;
    for (const tick of [...this.onTick]) tick();
  }

  #pass(ms: number): void {
    if (this.time.nowMs + ms - this.#tickedMs >= idleStepMs) this.pass(ms);
    else this.time.advance(ms);
  }

  /** A provider core with fake runtimes for the models given. */
  addProvider(name: string, models: readonly TestModel[], options: FakeProviderOptions = {}): FakeProvider {
    const provider = new FakeProvider(this, peerName(name), models, options);
    this.providers.set(provider.peer, provider);
    return provider;
  }

  /** Opens an order stream from `asker` to `peer`. */
  openOrder(asker: string, peer: string, handlers: OrderHandlers): FakeOrder {
    const provider = this.providers.get(peer);
    if (!provider?.isAlive) throw new VesselError('provider_lost', 'No such provider is there.');
    const id = this.#nextOrder++;
    const order = new FakeOrder(this, id, asker, provider, handlers, () => this.#orders.delete(id));
    this.#orders.set(id, order);
    return order;
  }

  replyTo(order: number, message: HopMessage): void {
    this.#orders.get(order)?.receive(stringifyMessage(message));
  }

  /** The device goes away: nothing from it or to it arrives any more. */
  kill(peer: string): void {
    const provider = this.providers.get(peer);
    if (!provider?.isAlive) return;
    provider.isAlive = false;
    for (const order of [...this.#orders.values()]) if (order.provider === provider) order.lost();
    for (const other of this.providers.values()) {
      if (other.isAlive) this.post(`lost>${other.peer}`, () => other.core.peerLost(peer));
    }
    void provider.core.stop();
  }

  /** The device stands still: nothing it would do happens before `thaw`. */
  freeze(peer: string): void {
    const provider = this.providers.get(peer)!;
    provider.frozen ??= [];
  }

  thaw(peer: string): void {
    const provider = this.providers.get(peer)!;
    const held = provider.frozen ?? [];
    provider.frozen = null;
    for (const act of held) this.post(`thaw ${peer}`, act);
  }

  uniform(): number {
    return this.#uniform();
  }

  #deliverOne(): boolean {
    const links = [...this.#links.keys()];
    if (links.length === 0) return false;
    const link = links[Math.floor(this.#uniform() * links.length)]!;
    const waiting = this.#links.get(link)!;
    const deliver = waiting.shift()!;
    if (waiting.length === 0) this.#links.delete(link);
    deliver();
    return true;
  }
}

export interface FakeProviderOptions
  extends Partial<Pick<ProviderOptions, 'memoryBytes' | 'dutyCycle' | 'metering' | 'onChange'>> {
  runtime?: FakeRuntimeOptions;
  /** Stands in front of the fake load: to wait, to throw, or to give something else. */
  load?: (ref: ShardRef, signal: AbortSignal) => Promise<HeldShard | null>;
}

export class FakeProvider {
  readonly peer: string;
  readonly core: Provider;
  /** Every runtime ever loaded here. */
  readonly runtimes: FakeRuntime[] = [];
  isAlive = true;
  /** Takes frames and does nothing: a neighbour that the test itself plays. */
  isMute = false;
  /** Null: it runs. Else it stands still, and this is what waits for it, in both directions. */
  frozen: (() => void)[] | null = null;
  readonly #wires: FakeWires;

  constructor(wires: FakeWires, peer: string, models: readonly TestModel[], options: FakeProviderOptions) {
    this.peer = peer;
    this.#wires = wires;
    const load: LoadShard = async (ref, onProgress, signal) => {
      onProgress('downloading');
      const given = await options.load?.(ref, signal);
      if (given) return given;
      const model = models.find(({ id }) => id === ref.model);
      if (!model) throw new VesselError('not_found', 'This provider does not know the model.');
      const runtime = new FakeRuntime({ manifest: model.manifest, from: ref.from, to: ref.to }, options.runtime);
      this.runtimes.push(runtime);
      return { kind: 'language', ref, manifest: model.manifest, runtime, bytes: languageShardBytes(model.manifest, ref) };
    };
    this.core = new Provider({
      clock: wires.clock,
      load,
      memoryBytes: options.memoryBytes ?? 1e9,
      ...(options.dutyCycle === undefined ? {} : { dutyCycle: options.dutyCycle }),
      ...(options.metering === undefined ? {} : { metering: options.metering }),
      ...(options.onChange === undefined ? {} : { onChange: options.onChange }),
      links: {
        self: peer,
        connect: async (other) => void this.#requireReachable(other),
        sendFrame: async (other, bytes) => this.#sendFrame(other, bytes),
        reply: (order, message) => {
          if (this.isAlive) wires.replyTo(order, message);
        },
      },
    });
    wires.onTick.push(() => {
      if (this.isAlive) this.core.tick();
    });
  }

  /** Caches that are open on any runtime this provider ever had. */
  get openCaches(): number {
    return this.runtimes.reduce((sum, runtime) => sum + runtime.openCaches, 0);
  }

  /** The relay's announcement, on its own link. */
  lease(lease: Lease): void {
    this.#wires.post(`relay>${this.peer}`, () => {
      if (this.isAlive) this.core.lease(lease);
    });
  }

  #requireReachable(peer: string): FakeProvider {
    const other = this.#wires.providers.get(peer);
    if (!this.isAlive || !other?.isAlive) throw new VesselError('provider_lost', 'The hop cannot be reached.');
    return other;
  }

  #sendFrame(peer: string, bytes: Uint8Array<ArrayBuffer>): void {
    const other = this.#requireReachable(peer);
    this.#wires.frames.push({ from: this.peer, to: peer, bytes: bytes.slice() });
    const arrived = overStream(bytes);
    const take = () => {
      if (!other.isAlive || other.isMute) return;
      const refusal = other.core.frame(this.peer, arrived);
      if (!refusal) return;
      const text = JSON.stringify(refusal);
      this.#wires.post(`${peer}>${this.peer} refusals`, () => {
        if (this.isAlive) this.core.frameRefused(peer, parseMessage(frameRefusalSchema, text));
      });
    };
    this.act(() => this.#wires.post(`${this.peer}>${peer}`, () => other.act(take)));
  }

  /** Does it now, or when this device stands still no more. */
  act(action: () => void): void {
    if (this.frozen) this.frozen.push(action);
    else action();
  }
}

/** One order stream, both ends. */
export class FakeOrder {
  readonly id: number;
  readonly provider: FakeProvider;
  isOpen = true;
  readonly #wires: FakeWires;
  readonly #asker: string;
  readonly #handlers: OrderHandlers;
  readonly #forget: () => void;

  constructor(wires: FakeWires, id: number, asker: string, provider: FakeProvider, handlers: OrderHandlers, forget: () => void) {
    this.#wires = wires;
    this.id = id;
    this.#asker = asker;
    this.provider = provider;
    this.#handlers = handlers;
    this.#forget = forget;
  }

  async send(message: object, attachment?: Uint8Array): Promise<void> {
    if (!this.isOpen) throw new VesselError('provider_lost', 'The link is closed.');
    this.sendText(stringifyMessage(message), attachment);
  }

  sendText(text: string, attachment?: Uint8Array): void {
    const bytes = attachment && Uint8Array.from(attachment);
    this.#wires.post(`order ${this.id} up`, () => {
      this.provider.act(() => this.#deliver(text, bytes));
    });
  }

  receive(text: string): void {
    this.provider.act(() => {
      this.#wires.post(`order ${this.id} down`, () => {
        if (this.isOpen) this.#handlers.onMessage(text);
      });
    });
  }

  #deliver(text: string, bytes: Uint8Array<ArrayBuffer> | undefined): void {
    if (!this.isOpen || !this.provider.isAlive) return;
    try {
      this.provider.core.orderMessage(this.id, this.#asker, text, bytes);
    } catch {
      // What the real link does with a peer that does not speak the protocol.
      this.#end();
      this.provider.core.orderClosed(this.id);
      this.#handlers.onClose(null);
    }
  }

  close(): void {
    if (!this.isOpen) return;
    this.#end();
    this.#wires.post(`order ${this.id} up`, () => this.provider.core.orderClosed(this.id));
  }

  /** The other side is gone. */
  lost(): void {
    if (!this.isOpen) return;
    this.#end();
    this.#wires.post(`order ${this.id} down`, () => this.#handlers.onClose(new VesselError('provider_lost')));
  }

  #end(): void {
    this.isOpen = false;
    this.#forget();
  }
}

export interface RoutePart {
  provider: FakeProvider;
  from: number;
  to: number;
}

/** Ports of an asker whose routes a test chooses; the relay's part is to announce the lease to each hop. */
export class FakeAskPorts implements AskPorts {
  readonly clock: Clock;
  readonly peer: string;
  /** Sessions that were matched and not released. */
  readonly open = new Set<string>();
  /** Every order stream this asker has opened. */
  readonly orders: FakeOrder[] = [];
  /** Set these for a network that is paid for; hops then ask what the terms say. */
  terms: NetworkTerms | null = null;
  shares: Share[] = [];
  /** The whole route for a session that lost hops; left out: nobody can take their place. */
  onLost?: (request: MatchRequest) => RoutePart[];
  readonly #wires: FakeWires;
  readonly #choose: (request: { model: string; tokens: number }) => RoutePart[];

  constructor(wires: FakeWires, name: string, choose: (request: { model: string; tokens: number }) => RoutePart[]) {
    this.#wires = wires;
    this.clock = wires.clock;
    this.peer = peerName(name);
    this.#choose = choose;
  }

  async match(request: MatchRequest): Promise<MatchedRoute> {
    const { again } = request;
    if (again && !this.onLost) throw new VesselError('no_route', 'The test has no other provider.');
    const parts = again ? this.onLost!(request) : this.#choose(request);
    const session = again?.session ?? newSession();
    this.open.add(session);
    const stays = new Set(again?.kept.map(({ provider }) => provider));
    for (const { provider, from, to } of parts) {
      if (stays.has(provider.peer)) continue;
      const lease = { session, asker: this.peer, model: request.model, from, to, capacity: request.tokens };
      provider.lease(again ? { ...lease, again: true } : lease);
    }
    return {
      session,
      model: request.model,
      hops: parts.map(({ provider, from, to }) => {
        const { metering } = provider.core;
        const account = metering?.account ?? `0x${'0'.repeat(40)}`;
        const ask = metering?.ask;
        const hop = { provider: provider.peer, account, from, to, backend: 'wasm' as const, adapter: 'fake' };
        return ask ? { ...hop, ask } : hop;
      }),
      shares: this.shares,
    };
  }

  release(session: string): void {
    this.open.delete(session);
  }

  async openOrder(peer: string, handlers: OrderHandlers): Promise<FakeOrder> {
    const order = this.#wires.openOrder(this.peer, peer, handlers);
    this.orders.push(order);
    return order;
  }

  relayMessages(): number {
    return 0;
  }
}

/** An asker by hand: sends order messages one by one and keeps what comes back. */
export class ManualAsker {
  /** All but signs of life. */
  readonly received: SessionMessage[] = [];
  isClosed = false;
  readonly order: FakeOrder;

  constructor(wires: FakeWires, name: string, provider: FakeProvider) {
    this.order = wires.openOrder(peerName(name), provider.peer, {
      onMessage: (text) => {
        const message = JSON.parse(text) as HopMessage;
        if (message.type !== 'alive') this.received.push(message);
      },
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  send(message: AskerMessage, attachment?: Uint8Array): void {
    void this.order.send(message, attachment);
  }

  /** Types of what came, with the code of refusals. */
  get story(): string[] {
    return this.received.map((message) => (message.type === 'refused' ? message.code : message.type));
  }
}

/** Through record and slices, as on a stream. */
function overStream(body: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let arrived: Uint8Array<ArrayBuffer> | null = null;
  const reader = new RecordReader({ frame: limits.maxFrameBytes }, (_kind, whole) => {
    arrived = whole;
  });
  const record = encodeRecord('frame', body);
  for (let at = 0; at < record.byteLength; at += limits.maxSliceBytes)
    reader.push(record.subarray(at, at + limits.maxSliceBytes));
  return arrived!;
}

/** Everything that promises have to do is done after this. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
