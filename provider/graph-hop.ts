/** Sessions of whole-graph services on this provider: opened by a lease, fed by orders, paid by the order, freed with their stream. */
import type { Clock } from '../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { emptyHistory } from '../shared/protocol/history.ts';
import type { AskerMessage, HopMessage } from '../shared/protocol/order-messages.ts';
import type { PaymentMessage } from '../shared/protocol/payment-types.ts';
import { extendOrderHistory } from '../shared/services/order-history.ts';
import type { BeginMeter } from './metering/metering.ts';
import type { SessionMeter } from './metering/session-meter.ts';
import type { HeldShard, ProviderLinks } from './provider-ports.ts';
import type { GraphSession } from './services/service-runtime.ts';
import type { ShardShelf } from './shard-shelf.ts';
import type { WorkQueue } from './work-queue.ts';

/** The service type's own schema made it: plain JSON. */
type JsonRecord = Extract<HopMessage, { type: 'service-result' }>['result'];

type RunMessage = Extract<AskerMessage, { type: 'service-run' }>;

type HeldGraph = Extract<HeldShard, { kind: 'graph' }>;

const languageHint = 'This is a language model, not a service: ask it with `ask`, or at /v1/chat/completions.';

interface OpenGraph {
  id: string;
  order: number;
  asker: string;
  held: HeldGraph;
  session: GraphSession;
  /** Null: the session is free. */
  meter: SessionMeter | null;
  /** Of the orders that cost something. */
  history: Uint8Array;
  touchedMs: number;
  computeMs: number;
}

export class GraphHop {
  readonly #links: ProviderLinks;
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #shelf: ShardShelf;
  readonly #onSettling: (id: string, order: number, meter: SessionMeter) => void;
  readonly #open = new Map<string, OpenGraph>();

  /** `onSettling`: a session is closed, and its asker may still settle what it paid. */
  constructor(fields: {
    links: ProviderLinks;
    queue: WorkQueue;
    clock: Clock;
    shelf: ShardShelf;
    onSettling: (id: string, order: number, meter: SessionMeter) => void;
  }) {
    this.#links = fields.links;
    this.#queue = fields.queue;
    this.#clock = fields.clock;
    this.#shelf = fields.shelf;
    this.#onSettling = fields.onSettling;
  }

  get size(): number {
    return this.#open.size;
  }

  has(id: string): boolean {
    return this.#open.has(id);
  }

  /** Session ids with their askers. */
  askers(): [string, string][] {
    return [...this.#open.values()].map(({ id, asker }) => [id, asker]);
  }

  owns(order: number, id: string): boolean {
    return this.#open.get(id)?.order === order;
  }

  sessionsOn(held: HeldShard): number {
    let count = 0;
    for (const open of this.#open.values()) if (open.held === held) count++;
    return count;
  }

  open(
    order: number,
    asker: string,
    message: Extract<AskerMessage, { type: 'service-open' }>,
    beginMeter: BeginMeter | null,
  ): void {
    const id = message.session;
    const held = this.#shelf.readyModel(message.model);
    if (held?.kind === 'language') throw new VesselError('bad_request', languageHint);
    if (!held) throw new VesselError('provider_lost', 'This provider does not hold that graph any more.');
    const session = held.service.openSession();
    const meter = beginMeter?.((signed) => this.#links.reply(order, { type: 'receipt', session: id, signed })) ?? null;
    const touchedMs = this.#clock.now();
    this.#open.set(id, { id, order, asker, held, session, meter, history: emptyHistory, touchedMs, computeMs: 0 });
    this.#links.reply(order, { type: 'opened', session: id, epoch: 0 });
  }

  async run(order: number, message: RunMessage, input: Uint8Array<ArrayBuffer>): Promise<void> {
    const open = this.#open.get(message.session);
    if (!open || open.order !== order) throw new VesselError('unknown_session');
    if (input.byteLength !== message.bytes) throw new VesselError('bad_message', 'The attachment has another length.');
    open.touchedMs = this.#clock.now();
    const { meter } = open;
    if (!meter) {
      await this.#work(open, message, input);
      return;
    }
    const most = open.held.service.mostPositions(message.order, input.byteLength);
    try {
      await meter.cover(most, false);
    } catch (thrown) {
      const error = toVesselError(thrown);
      if (error.code !== 'payment_required') throw error;
      this.#refuse(open, error);
      return;
    }
    let positions = 0;
    try {
      positions = Math.min(most, await this.#work(open, message, input));
    } finally {
      meter.computed(positions, false, positions > 0, open.history);
    }
  }

  async pay(id: string, payment: PaymentMessage): Promise<void> {
    const open = this.#open.get(id);
    // Free sessions have no use for it.
    await open?.meter?.pay(payment).catch((thrown) => this.#refuse(open, toVesselError(thrown)));
  }

  async closeAnswered(order: number, id: string): Promise<void> {
    const { computeMs = 0, meter = null } = this.#open.get(id) ?? {};
    this.close(id);
    // The last receipt comes before the last word.
    if (meter) {
      await meter.end();
      this.#onSettling(id, order, meter);
    }
    this.#links.reply(order, { type: 'closed', session: id, decodeBytes: 0, decodeFrames: 0, computeMs });
  }

  close(id: string): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    void open.meter?.end().catch(() => undefined);
    void this.#queue.run(async () => open.session.close());
    this.#shelf.settle();
  }

  closeOrder(order: number): void {
    for (const open of [...this.#open.values()]) if (open.order === order) this.close(open.id);
  }

  closeAll(): void {
    for (const open of [...this.#open.values()]) this.#refuse(open, new VesselError('provider_lost', 'The provider stopped.'));
  }

  endOn(held: HeldShard): void {
    for (const open of [...this.#open.values()]) {
      if (open.held === held) this.#refuse(open, new VesselError('provider_lost', 'The provider let this model go.'));
    }
  }

  /** Frees sessions nobody has touched since `oldestMs`. */
  expire(oldestMs: number): void {
    for (const open of [...this.#open.values()]) {
      if (open.touchedMs < oldestMs) this.#refuse(open, new VesselError('lease_expired'));
    }
  }

  /** Works an order off and answers it. Returns the positions that it was. */
  async #work(open: OpenGraph, { run, order }: RunMessage, input: Uint8Array): Promise<number> {
    const { result, ms } = await this.#queue
      .run(async () => {
        // Nobody waits for what was ordered before the session closed.
        if (this.#open.get(open.id) !== open) throw new VesselError('cancelled');
        return open.session.run(order, input);
      })
      .catch((thrown) => {
        const error = toVesselError(thrown);
        if (error.code === 'device_lost') this.#shelf.reload(open.held);
        throw error;
      });
    if (this.#open.get(open.id) !== open) return 0;
    const { service } = open.held;
    const positions = service.positionsOf(result.meter);
    if (open.meter && positions > 0) open.history = extendOrderHistory(open.history, order, input, result.result);
    open.computeMs += ms;
    open.touchedMs = this.#clock.now();
    // Before its receipt, so that the asker knows what that is about.
    this.#links.reply(open.order, {
      type: 'service-result',
      session: open.id,
      run,
      result: result.result as JsonRecord,
      meter: result.meter,
      backend: service.backend,
    });
    return positions;
  }

  #refuse(open: OpenGraph, error: VesselError): void {
    if (this.#open.get(open.id) !== open) return;
    this.#links.reply(open.order, { type: 'refused', session: open.id, code: error.code, message: error.message.slice(0, 1000) });
    this.close(open.id);
  }
}
