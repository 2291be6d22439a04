/** One generation on this hop: which route it is part of, the KV it owns and how far that KV reaches. */
import { emptyHistory } from '../shared/protocol/history.ts';
import type { OpenMessage } from '../shared/protocol/order-messages.ts';
import type { SessionMeter } from './metering/session-meter.ts';
import type { HeldShard } from './provider-ports.ts';
import type { KvCache } from './runtime/shard-runtime.ts';
import type { Sampler } from './sampling/sampler.ts';

export class HopSession {
  readonly open: OpenMessage;
  readonly order: number;
  readonly asker: string;
  readonly shard: Extract<HeldShard, { kind: 'language' }>;
  readonly cache: KvCache;
  readonly sampler: Sampler | null;
  /** Null: the session is free. */
  readonly meter: SessionMeter | null;
  /** Positions accepted so far: may be ahead of the cache while work waits in the queue. */
  position = 0;
  /** Hash of the tokens at those positions. */
  history: Uint8Array = emptyHistory;
  generated = 0;
  /** On the last hop: the hash that the next frame must reach, known from the token drawn; null while the prompt goes in. */
  expected: Uint8Array | null = null;
  /** The last token is out: nothing more is computed. */
  isDone = false;
  touchedMs: number;
  started = false;
  /** The rows that follow are generated tokens. */
  promptDone = false;
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
  }

  get id(): string {
    return this.open.session;
  }

  get isFirst(): boolean {
    return this.open.index === 0;
  }

  get isLast(): boolean {
    return this.open.index === this.open.route.length - 1;
  }

  /** The peer whose hidden frames this hop takes; undefined on the first hop. */
  get upstream(): string | undefined {
    return this.open.route[this.open.index - 1];
  }

  /** Where this hop's output goes: the next hop, or from the last hop back to the first. */
  get downstream(): string {
    return this.open.route[(this.open.index + 1) % this.open.route.length]!;
  }

  get lastHop(): string {
    return this.open.route.at(-1)!;
  }
}
