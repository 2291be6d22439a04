/** One generation on this hop: which route it is part of, the KV it owns and how far that KV reaches. */
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import type { OpenMessage } from '../shared/protocol/order-messages.ts';
import { KeptRows } from './kept-rows.ts';
import type { SessionMeter } from './metering/session-meter.ts';
import type { HeldShard } from './provider-ports.ts';
import type { KvCache } from './runtime/shard-runtime.ts';
import type { Sampler } from './sampling/sampler.ts';

/** A token that the last hop has drawn and hop 1 has to be given. */
export interface DrawnToken {
  id: number;
  prior: Uint8Array;
  after: Uint8Array;
}

/** One stretch of sending, from a `resume` to the next `reroute`. */
export interface Flow {
  /** Position of the row or token that goes next. */
  from: number;
  isSending: boolean;
}

export class HopSession {
  readonly open: OpenMessage;
  readonly order: number;
  readonly asker: string;
  readonly shard: Extract<HeldShard, { kind: 'language' }>;
  readonly cache: KvCache;
  readonly sampler: Sampler | null;
  /** Null: the session is free. */
  readonly meter: SessionMeter | null;
  /** Changes whenever the route does (design: epoch). */
  epoch: number;
  index: number;
  route: readonly string[];
  /** Null: the route is being changed, nothing is sent. */
  flow: Flow | null = { from: 0, isSending: false };
  /** Rows for the next hop; on the last hop none, it sends tokens. */
  readonly kept: KeptRows | null;
  /** On the last hop: tokens of the answer but the final one, from position `promptEnd` on. */
  readonly drawn: DrawnToken[] = [];
  /** Steps run in their order, also while they wait for money. */
  tail: Promise<void> = Promise.resolve();
  /** Positions below this one have been paid, or are not paid here. */
  meteredTo: number;
  /** Positions accepted so far: may be ahead of the cache while work waits in the queue. */
  position = 0;
  /** Hash of the tokens at those positions. */
  history: Uint8Array = emptyHistory;
  /** Positions computed. */
  computed = 0;
  generated = 0;
  /** On the last hop: the hash of all tokens that are known, which the next row to draw from must reach. */
  expected: Uint8Array | null = null;
  /** The last token is out: nothing more is computed. */
  isDone = false;
  touchedMs: number;
  started = false;
  /** Where the generated tokens begin, once this hop knows it. */
  promptEnd: number | null = null;
  closed = false;
  decodeBytes = 0;
  decodeFrames = 0;
  computeMs = 0;

  constructor(fields: {
    open: OpenMessage;
    order: number;
    asker: string;
    shard: Extract<HeldShard, { kind: 'language' }>;
    cache: KvCache;
    sampler: Sampler | null;
    meter: SessionMeter | null;
    nowMs: number;
  }) {
    this.open = fields.open;
    this.order = fields.order;
    this.asker = fields.asker;
    this.shard = fields.shard;
    this.cache = fields.cache;
    this.sampler = fields.sampler;
    this.meter = fields.meter;
    this.touchedMs = fields.nowMs;
    const { epoch, index, route, first, last, again } = fields.open;
    this.epoch = epoch;
    this.index = index;
    this.route = route;
    this.meteredTo = again?.paidFrom ?? 0;
    this.kept = last ? null : new KeptRows(fields.shard.manifest.architecture.hidden);
    if (last) this.#recall(last);
    if (!again) return;
    // Until the others know the new route.
    this.flow = null;
    if (first) this.#foresee(first);
  }

  get id(): string {
    return this.open.session;
  }

  get isFirst(): boolean {
    return this.open.first !== undefined;
  }

  get isLast(): boolean {
    return this.open.last !== undefined;
  }

  /** The rows that follow are generated tokens. */
  get promptDone(): boolean {
    return this.promptEnd !== null && this.position >= this.promptEnd;
  }

  /** Positions whose tokens were known when this hop was opened: below it rows may come many at a time, and nothing is drawn. */
  get known(): number {
    const { first, last, again } = this.open;
    const ids = first ?? last;
    return ids ? ids.promptIds.length + (ids.generated?.length ?? 0) : (again?.known ?? 0);
  }

  /** KV, and room for the rows that may have to be sent again. */
  get reservedBytes(): number {
    const { architecture } = this.shard.manifest;
    return this.cache.bytes + (this.kept ? this.open.capacity * architecture.hidden * 4 : 0);
  }

  /** The peer whose hidden frames this hop takes; undefined on the first hop. */
  get upstream(): string | undefined {
    return this.route[this.index - 1];
  }

  /** Where this hop's output goes: the next hop, or from the last hop back to the first. */
  get downstream(): string {
    return this.route[(this.index + 1) % this.route.length]!;
  }

  get lastHop(): string {
    return this.route.at(-1)!;
  }

  /** A hop 1 that takes over has the tokens already: one that comes before `start` follows them. */
  #foresee({ promptIds, generated = [] }: NonNullable<OpenMessage['first']>): void {
    this.promptEnd = promptIds.length;
    this.position = this.known;
    this.history = extendHistory(emptyHistory, [...promptIds, ...generated]);
  }

  /** A last hop that takes over knows the answer so far. */
  #recall({ promptIds, generated = [] }: NonNullable<OpenMessage['last']>): void {
    this.promptEnd = promptIds.length;
    this.flow = { from: promptIds.length, isSending: false };
    let prior = extendHistory(emptyHistory, promptIds);
    for (const id of generated) {
      const after = extendHistory(prior, [id]);
      this.drawn.push({ id, prior, after });
      prior = after;
    }
    this.generated = generated.length;
    this.expected = prior;
  }
}
