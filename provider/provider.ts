/**
 * The giving side: holds the shards the relay assigns, accepts the sessions it announces, computes and forwards. Knows nothing of
 * sockets, pages or files: those are ports (provider-ports.ts). A bad peer loses its own session, nothing else.
 */

import { hexToBytes } from '../shared/protocol/bytes.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { type ErrorCode, toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { decodeFrame } from '../shared/protocol/frame.ts';
import type { FrameRefusal } from '../shared/protocol/frame-refusal.ts';
import { limits } from '../shared/protocol/limits.ts';
import { type AskerMessage, askerMessageSchema, type OpenMessage } from '../shared/protocol/order-messages.ts';
import { parseMessage } from '../shared/protocol/parse-message.ts';
import type { ShardRef, ShardState } from '../shared/protocol/presence-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import { GraphHop } from './graph-hop.ts';
import { HopSession } from './hop-session.ts';
import { LanguageHop } from './language-hop.ts';
import { LeaseBook } from './lease-book.ts';
import type { BeginMeter, Metering } from './metering/metering.ts';
import type { SessionMeter } from './metering/session-meter.ts';
import type { DownloadProgress, HeldShard, Lease, LoadShard, ProviderLinks } from './provider-ports.ts';
import { Sampler } from './sampling/sampler.ts';
import { SamplerScratch } from './sampling/sampler-scratch.ts';
import { ShardShelf, sameShard } from './shard-shelf.ts';
import { WorkQueue } from './work-queue.ts';

export interface ProviderOptions {
  links: ProviderLinks;
  clock: Clock;
  load: LoadShard;
  /** Bytes for weights and KV together. */
  memoryBytes: number;
  /** Share of time spent working, 0 < dutyCycle ≤ 1. */
  dutyCycle?: number;
  /** Left out: everything is free. */
  metering?: Metering;
  /** Something in `status()` changed. */
  onChange?: () => void;
}

export interface ProviderStatus {
  shards: ShardState[];
  /** The error that keeps a shard from being ready, if one does. */
  failure: VesselError | null;
  download: DownloadProgress;
  sessions: number;
  slots: number;
  stepMs: number | null;
  tokens: number;
  memoryUsed: number;
}

interface Opening {
  order: number;
  asker: string;
  /** Why it must not go on; null as long as it may. */
  ended: VesselError | null;
  /** Settles when it is open or refused. */
  settled: Promise<unknown>;
}

export class Provider {
  /** Null: everything is free. */
  readonly metering: Metering | null;
  readonly #links: ProviderLinks;
  readonly #clock: Clock;
  readonly #memoryBytes: number;
  readonly #onChange: () => void;
  readonly #queue: WorkQueue;
  readonly #shelf: ShardShelf;
  readonly #leases: LeaseBook;
  readonly #language: LanguageHop;
  readonly #graphs: GraphHop;
  readonly #sessions = new Map<string, HopSession>();
  /** Sessions whose `open` is under way, with the order that may still cancel it. */
  readonly #opening = new Map<string, Opening>();
  /** Sessions that are closed, whose asker may still settle. */
  readonly #settling = new Map<string, { order: number; meter: SessionMeter }>();
  readonly #scratches = new WeakMap<object, SamplerScratch>();
  #stopPulse = () => {};
  #stepMs: number | null = null;
  #tokens = 0;
  #paused = false;

  constructor(options: ProviderOptions) {
    this.metering = options.metering ?? null;
    this.#links = options.links;
    this.#clock = options.clock;
    this.#memoryBytes = options.memoryBytes;
    this.#onChange = options.onChange ?? (() => undefined);
    this.#queue = new WorkQueue(options.clock);
    this.#queue.dutyCycle = options.dutyCycle ?? 1;
    this.#leases = new LeaseBook(options.clock);
    this.#shelf = new ShardShelf({
      load: options.load,
      exclusive: async (work) => (await this.#queue.run(work)).result,
      inUse: (held) => this.#sessionsOn(held) > 0,
      onGone: (held) => this.#endSessionsOn(held),
      onChange: this.#onChange,
      clock: options.clock,
    });
    this.#language = new LanguageHop({
      links: options.links,
      queue: this.#queue,
      clock: options.clock,
      onFailed: (session, error) => {
        this.#fail(session, error);
        // Only our own device's word counts here: a neighbour that says `device_lost` must not make us reload.
        if (error.code === 'device_lost') this.#shelf.reload(session.shard);
      },
      onFault: (session, epoch, peer, error) => this.#fault(session, peer, error.code, epoch),
      onToken: (ms) => {
        this.#tokens++;
        this.#stepMs = this.#stepMs === null ? ms : 0.9 * this.#stepMs + 0.1 * ms;
      },
    });
    this.#graphs = new GraphHop({
      links: options.links,
      queue: this.#queue,
      clock: options.clock,
      shelf: this.#shelf,
      onSettling: (id, order, meter) => this.#settling.set(id, { order, meter }),
    });
  }

  set dutyCycle(share: number) {
    this.#queue.dutyCycle = share;
  }

  /** A paused provider finishes its sessions and takes no new ones. */
  set paused(paused: boolean) {
    this.#paused = paused;
  }

  /** The full list of shards to hold: what is missing gets loaded, what is not named is let go once its sessions ended. */
  assign(shards: readonly ShardRef[]): void {
    this.#shelf.want(shards);
  }

  /** The relay announces a session. */
  lease(lease: Lease): void {
    this.#leases.announce(lease);
  }

  /** The relay says that a session is over. */
  release(session: string): void {
    this.#leases.drop(session);
    const opening = this.#opening.get(session);
    if (opening) opening.ended = new VesselError('cancelled');
    this.#end(session);
    this.#graphs.close(session);
  }

  /**
   * A message on an order stream. `attachment` holds the bytes that followed a `service-run`. Throws `bad_message` for what is no
   * message at all: the caller closes that stream. Everything else is answered on the stream.
   */
  orderMessage(order: number, peer: string, text: string, attachment?: Uint8Array<ArrayBuffer>): void {
    const message = parseMessage(askerMessageSchema, text);
    void this.#dispatch(order, peer, message, attachment).catch((thrown) => {
      const { code, message: why } = toVesselError(thrown);
      const run = message.type === 'service-run' ? { run: message.run } : {};
      this.#links.reply(order, { type: 'refused', session: message.session, ...run, code, message: why.slice(0, 1000) });
    });
  }

  /** The asker's stream is gone: so are its sessions. */
  orderClosed(order: number): void {
    for (const entry of this.#opening.values()) if (entry.order === order) entry.ended = new VesselError('cancelled');
    for (const session of [...this.#sessions.values()]) if (session.order === order) this.#end(session.id);
    this.#graphs.closeOrder(order);
  }

  /** A frame from another hop. Returns what to tell the sender when the frame is refused; null when it was taken. */
  frame(peer: string, bytes: Uint8Array): FrameRefusal | null {
    let id = '';
    try {
      const frame = decodeFrame(bytes);
      id = frame.session;
      const session = this.#sessions.get(id);
      if (!session) throw new VesselError('unknown_session');
      this.#language.accept(session, peer, frame);
      return null;
    } catch (thrown) {
      const { code } = toVesselError(thrown);
      const session = this.#sessions.get(id);
      // What comes from anybody else says nothing about the session.
      if (session?.upstream === peer) this.#fault(session, peer, code);
      return { session: id, code };
    }
  }

  /** The next hop refused a frame of ours: the asker has to know. Only the hop we send to is believed. */
  frameRefused(peer: string, refusal: FrameRefusal): void {
    const session = this.#sessions.get(refusal.session);
    if (session?.downstream !== peer) return;
    // The next hop has freed the session, or says that what this one sent is wrong.
    const hasFreed = refusal.code === 'unknown_session';
    this.#fault(session, hasFreed ? peer : this.#links.self, hasFreed ? 'provider_lost' : refusal.code);
  }

  /** A link broke: the askers of sessions that need it have to know. */
  peerLost(peer: string): void {
    for (const session of [...this.#sessions.values()]) {
      if (session.downstream === peer || session.upstream === peer) this.#fault(session, peer, 'provider_lost');
    }
  }

  /** Call it about once a second: frees what nobody has touched for a lease (design S2). */
  tick(): void {
    this.#leases.expire();
    for (const [id, { meter }] of this.#settling) if (!meter.isSettling) this.#settling.delete(id);
    const oldest = this.#clock.now() - limits.sessionLeaseMs;
    for (const session of [...this.#sessions.values()]) {
      if (session.touchedMs < oldest) this.#fail(session, new VesselError('lease_expired'));
    }
    this.#graphs.expire(oldest);
  }

  status(): ProviderStatus {
    return {
      shards: this.#shelf.states(),
      failure: this.#shelf.failure,
      download: this.#shelf.download,
      sessions: this.#sessions.size + this.#graphs.size,
      slots: this.#paused ? 0 : this.#freeSlots(),
      stepMs: this.#stepMs ?? this.#shelf.measuredStepMs,
      tokens: this.#tokens,
      memoryUsed: this.#memoryUsed(),
    };
  }

  /** Ends every session and frees every shard. */
  async stop(): Promise<void> {
    for (const opening of this.#opening.values()) opening.ended = new VesselError('provider_lost', 'The provider stopped.');
    for (const session of [...this.#sessions.values()])
      this.#fail(session, new VesselError('provider_lost', 'The provider stopped.'));
    this.#graphs.closeAll();
    await this.#shelf.empty();
  }

  async #dispatch(order: number, peer: string, message: AskerMessage, attachment?: Uint8Array<ArrayBuffer>): Promise<void> {
    switch (message.type) {
      case 'open':
        return this.#open(order, peer, message);
      case 'start': {
        const session = this.#owned(order, message.session);
        if (!session.isFirst || session.started) throw new VesselError('bad_message', 'Only hop 1 is started, and once.');
        session.started = true;
        return this.#language.prefill(session);
      }
      case 'reroute': {
        // It may overtake its own `open`, which waits for its lease.
        await this.#opening.get(message.session)?.settled;
        const session = this.#owned(order, message.session);
        await this.#reroute(session, message);
        return;
      }
      case 'where': {
        const { id, position, computed } = this.#owned(order, message.session);
        this.#links.reply(order, { type: 'here', session: id, position, computed });
        return;
      }
      case 'resume': {
        const session = this.#owned(order, message.session);
        if (message.epoch !== session.epoch) throw new VesselError('wrong_epoch');
        return this.#language.resume(session, message.from, hexToBytes(message.prior)!);
      }
      case 'pay': {
        const settling = this.#settling.get(message.session);
        if (settling) {
          // Refused or not, the session is over: there is nobody to tell.
          if (settling.order === order) await settling.meter.pay(message.payment).catch(() => undefined);
          this.#settling.delete(message.session);
          return;
        }
        if (this.#graphs.owns(order, message.session)) return this.#graphs.pay(message.session, message.payment);
        const session = this.#owned(order, message.session);
        // Free sessions have no use for it.
        await session.meter?.pay(message.payment).catch((thrown) => this.#fail(session, toVesselError(thrown)));
        return;
      }
      case 'close': {
        const opening = this.#opening.get(message.session);
        if (opening?.order === order) {
          // The `open` itself answers, with `cancelled`.
          opening.ended = new VesselError('cancelled');
          return;
        }
        if (this.#graphs.owns(order, message.session)) return this.#graphs.closeAnswered(order, message.session);
        const session = this.#owned(order, message.session);
        this.#end(session.id);
        // The last receipt comes before the last word.
        if (session.meter) {
          await session.meter.end();
          this.#settling.set(session.id, { order, meter: session.meter });
        }
        const { decodeBytes, decodeFrames, computeMs } = session;
        this.#links.reply(order, { type: 'closed', session: session.id, decodeBytes, decodeFrames, computeMs });
        return;
      }
      case 'service-open':
        return this.#whileOpening(order, peer, message, async (opening) => {
          await this.#leases.take(message.session, (lease) => lease.asker === peer && lease.model === message.model);
          // A whole graph counts as one layer.
          const beginMeter = (await this.metering?.admit({ ...message, from: 0, to: 1, epoch: 0 })) ?? null;
          if (opening.ended) throw opening.ended;
          this.#graphs.open(order, peer, message, beginMeter);
        });
      case 'service-run':
        return this.#graphs.run(order, message, attachment ?? new Uint8Array(0));
      default:
        message satisfies never;
    }
  }

  async #reroute(session: HopSession, message: Extract<AskerMessage, { type: 'reroute' }>): Promise<void> {
    const { route, index, epoch } = message;
    if (epoch <= session.epoch) throw new VesselError('wrong_epoch');
    const isPlace = session.isFirst === (index === 0) && session.isLast === (index === route.length - 1);
    if (route[index] !== this.#links.self || !isPlace)
      throw new VesselError('wrong_peer', 'This hop is not at that place of the route.');
    await this.#language.reroute(session, message);
    try {
      if (session.downstream !== this.#links.self) await this.#links.connect(session.downstream);
    } catch (thrown) {
      if (!session.closed && session.epoch === epoch) this.#fault(session, session.downstream, toVesselError(thrown).code);
      return;
    }
    // Another change of the route may have come meanwhile: it answers for itself.
    if (session.closed || session.epoch !== epoch) return;
    this.#links.reply(session.order, { type: 'rerouted', session: session.id, epoch, position: session.position });
  }

  async #open(order: number, peer: string, open: OpenMessage): Promise<void> {
    const { route, index } = open;
    await this.#whileOpening(order, peer, open, async (opening) => {
      if (route[index] !== this.#links.self) throw new VesselError('wrong_peer', 'This hop is not at that place of the route.');
      if ((index === 0) !== (open.first !== undefined) || (index === route.length - 1) !== (open.last !== undefined)) {
        throw new VesselError('bad_message', 'Hop 1 takes `first`, the last hop takes `last`, no other hop does.');
      }
      const ends = open.first ?? open.last;
      const known = ends ? ends.promptIds.length + (ends.generated?.length ?? 0) : (open.again?.known ?? 0);
      const longest = open.last ? open.last.promptIds.length + open.last.maxTokens : known;
      // Hop 1 gets a prompt to be answered: one token at least.
      const least = open.first && !open.again ? known + 1 : known;
      if (Math.max(longest, least) > open.capacity) throw new VesselError('context_exceeded');
      if (ends?.generated && !open.again) throw new VesselError('bad_message', 'Only a hop that takes over is told tokens.');
      await this.#leases.take(
        open.session,
        (lease) =>
          lease.asker === peer &&
          sameShard(lease, open) &&
          lease.capacity >= open.capacity &&
          (lease.again === true || open.again === undefined),
      );
      const downstream = route[(index + 1) % route.length]!;
      let unreachable: VesselError | null = null;
      const reach = async () => {
        if (downstream !== this.#links.self) await this.#links.connect(downstream);
      };
      const [beginMeter] = await Promise.all([
        this.metering?.admit(open) ?? null,
        reach().catch((thrown) => {
          unreachable = toVesselError(thrown);
        }),
      ]);
      // From here to the end nothing waits: what is checked still holds when the KV is taken.
      if (opening.ended) throw opening.ended;
      const session = this.#begin(order, peer, open, beginMeter);
      // The next hop's fault, not this one's: its asker finds another.
      if (unreachable) this.#fault(session, downstream, (unreachable as VesselError).code);
    });
  }

  #begin(order: number, asker: string, open: OpenMessage, beginMeter: BeginMeter | null): HopSession {
    const shard = this.#shelf.ready(open);
    if (shard?.kind !== 'language') throw new VesselError('provider_lost', 'This provider does not hold that shard any more.');
    const { vocab, context } = shard.manifest.architecture;
    if (open.capacity > context) throw new VesselError('context_exceeded');
    const { promptIds = [], generated = [] } = open.first ?? open.last ?? {};
    if (promptIds.some((token) => token >= vocab) || generated.some((token) => token >= vocab)) {
      throw new VesselError('bad_request', `The prompt has ids beyond the vocabulary of ${vocab}.`);
    }
    const keptBytes = open.last ? 0 : open.capacity * shard.manifest.architecture.hidden * 4;
    if (this.#memoryUsed() + shard.runtime.cacheBytes(open.capacity) + keptBytes > this.#memoryBytes) {
      throw new VesselError('provider_busy', 'The pledged memory is taken.');
    }
    const sampler = open.last
      ? new Sampler({
          vocab,
          sampling: open.last.sampling,
          promptIds: open.last.promptIds,
          answerIds: open.last.generated ?? [],
          scratch: this.#scratch(shard, vocab),
        })
      : null;
    const cache = shard.runtime.createCache(open.capacity);
    const meter = beginMeter?.((signed) => this.#links.reply(order, { type: 'receipt', session: open.session, signed })) ?? null;
    const nowMs = this.#clock.now();
    const session = new HopSession({ open, order, asker, shard, cache, sampler, meter, nowMs });
    this.#sessions.set(open.session, session);
    this.#links.reply(order, { type: 'opened', session: open.session, epoch: open.epoch });
    this.#onChange();
    if (this.#sessions.size === 1) this.#pulse();
    if (open.again && open.first) {
      // It rebuilds while the others learn the new route.
      session.started = true;
      void this.#language.prefill(session);
    }
    return session;
  }

  /** Askers hear from this hop several times a second while they have sessions here (design W3). */
  #pulse(): void {
    this.#stopPulse = this.#clock.after(limits.aliveMs, () => {
      if (this.#sessions.size === 0) return;
      const orders = new Set([...this.#sessions.values()].map(({ order }) => order));
      for (const order of orders) this.#links.reply(order, { type: 'alive' });
      this.#pulse();
    });
  }

  /** What every kind of opening has in common: version, one session per id, and a note that a close in between can find. */
  async #whileOpening(
    order: number,
    asker: string,
    { session, version }: { session: string; version: number },
    work: (opening: Opening) => Promise<void>,
  ): Promise<void> {
    if (version !== protocolVersion) throw new VesselError('version_mismatch');
    if (this.#sessions.has(session) || this.#graphs.has(session) || this.#opening.has(session)) {
      throw new VesselError('bad_message', 'The session is open already.');
    }
    this.#requireRoom(asker);
    const opening: Opening = { order, asker, ended: null, settled: Promise.resolve() };
    this.#opening.set(session, opening);
    const working = work(opening);
    opening.settled = working.catch(() => undefined);
    try {
      await working;
    } finally {
      this.#opening.delete(session);
    }
  }

  /** An opening takes its place at once, so that many of them cannot pass a limit together. */
  #requireRoom(asker: string): void {
    const ids = new Map<string, string>();
    for (const [id, opening] of this.#opening) ids.set(id, opening.asker);
    for (const [id, session] of this.#sessions) ids.set(id, session.asker);
    for (const [id, of] of this.#graphs.askers()) ids.set(id, of);
    if (ids.size >= limits.maxSessionsPerProvider) throw new VesselError('provider_busy');
    const own = [...ids.values()].filter((other) => other === asker).length;
    if (own >= limits.maxSessionsPerAsker) throw new VesselError('provider_busy', 'You have all the sessions one asker gets.');
  }

  /** One scratch per shard: draws of its sessions never overlap. */
  #scratch(shard: HeldShard, vocab: number): SamplerScratch {
    let scratch = this.#scratches.get(shard);
    if (!scratch) {
      scratch = new SamplerScratch(vocab);
      this.#scratches.set(shard, scratch);
    }
    return scratch;
  }

  #owned(order: number, id: string): HopSession {
    const session = this.#sessions.get(id);
    if (!session || session.order !== order) throw new VesselError('unknown_session');
    return session;
  }

  #fail(session: HopSession, error: VesselError): void {
    if (session.closed) return;
    this.#end(session.id);
    const message = error.message.slice(0, 1000);
    this.#links.reply(session.order, { type: 'refused', session: session.id, code: error.code, message });
  }

  /** The session waits: its asker finds another hop, or ends it. */
  #fault(session: HopSession, peer: string, code: ErrorCode, epoch = session.epoch): void {
    if (session.closed || epoch !== session.epoch) return;
    this.#links.reply(session.order, { type: 'fault', session: session.id, epoch, peer, code });
  }

  #end(id: string): void {
    const session = this.#sessions.get(id);
    if (!session) return;
    session.closed = true;
    this.#sessions.delete(id);
    if (this.#sessions.size === 0) this.#stopPulse();
    void session.meter?.end().catch(() => undefined);
    // A step may be running on this cache: the queue frees it afterwards.
    void this.#queue.run(async () => session.cache.release());
    this.#shelf.settle();
    this.#onChange();
  }

  #sessionsOn(held: HeldShard): number {
    let count = this.#graphs.sessionsOn(held);
    for (const session of this.#sessions.values()) if (session.shard === held) count++;
    return count;
  }

  #endSessionsOn(held: HeldShard): void {
    for (const session of [...this.#sessions.values()]) {
      if (session.shard === held) this.#fail(session, new VesselError('provider_lost', 'The provider changed its layers.'));
    }
    this.#graphs.endOn(held);
  }

  #memoryUsed(): number {
    let bytes = this.#shelf.bytes;
    for (const session of this.#sessions.values()) bytes += session.reservedBytes;
    return bytes;
  }

  #freeSlots(): number {
    return Math.max(0, limits.maxSessionsPerProvider - this.#sessions.size - this.#graphs.size - this.#opening.size);
  }
}
