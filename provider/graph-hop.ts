/** Sessions of whole-graph services on this provider: opened by a lease, fed by orders, freed with their stream. */
import type { Clock } from '../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import type { AskerMessage, HopMessage } from '../shared/protocol/order-messages.ts';
import type { HeldShard, ProviderLinks } from './provider-ports.ts';
import type { GraphSession } from './services/service-runtime.ts';
import type { ShardShelf } from './shard-shelf.ts';
import type { WorkQueue } from './work-queue.ts';

/** The service type's own schema made it: plain JSON. */
type JsonRecord = Extract<HopMessage, { type: 'service-result' }>['result'];

type HeldGraph = Extract<HeldShard, { kind: 'graph' }>;

const languageHint = 'This is a language model, not a service: ask it with `ask`, or at /v1/chat/completions.';

interface OpenGraph {
  id: string;
  order: number;
  asker: string;
  held: HeldGraph;
  session: GraphSession;
  touchedMs: number;
  computeMs: number;
}

export class GraphHop {
  readonly #links: ProviderLinks;
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #shelf: ShardShelf;
  readonly #open = new Map<string, OpenGraph>();

  constructor(fields: { links: ProviderLinks; queue: WorkQueue; clock: Clock; shelf: ShardShelf }) {
    this.#links = fields.links;
    this.#queue = fields.queue;
    this.#clock = fields.clock;
    this.#shelf = fields.shelf;
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

  open(order: number, asker: string, message: Extract<AskerMessage, { type: 'service-open' }>): void {
    const held = this.#shelf.readyModel(message.model);
    if (held?.kind === 'language') throw new VesselError('bad_request', languageHint);
    if (!held) throw new VesselError('provider_lost', 'This provider does not hold that graph any more.');
    const session = held.service.openSession();
    const touchedMs = this.#clock.now();
    this.#open.set(message.session, { id: message.session, order, asker, held, session, touchedMs, computeMs: 0 });
    this.#links.reply(order, { type: 'opened', session: message.session });
  }

  async run(
    order: number,
    message: Extract<AskerMessage, { type: 'service-run' }>,
    input: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const open = this.#open.get(message.session);
    if (!open || open.order !== order) throw new VesselError('unknown_session');
    if (input.byteLength !== message.bytes) throw new VesselError('bad_message', 'The attachment has another length.');
    open.touchedMs = this.#clock.now();
    const { result, ms } = await this.#queue
      .run(async () => {
        // Nobody waits for what was ordered before the session closed.
        if (this.#open.get(open.id) !== open) throw new VesselError('cancelled');
        return open.session.run(message.order, input);
      })
      .catch((thrown) => {
        const error = toVesselError(thrown);
        if (error.code === 'device_lost') this.#shelf.reload(open.held);
        throw error;
      });
    if (!this.#open.has(open.id)) return;
    open.computeMs += ms;
    open.touchedMs = this.#clock.now();
    this.#links.reply(order, {
      type: 'service-result',
      session: open.id,
      run: message.run,
      result: result.result as JsonRecord,
      meter: result.meter,
      backend: open.held.service.backend,
    });
  }

  closeAnswered(order: number, id: string): void {
    const computeMs = this.#open.get(id)?.computeMs ?? 0;
    this.close(id);
    this.#links.reply(order, { type: 'closed', session: id, decodeBytes: 0, decodeFrames: 0, computeMs });
  }

  close(id: string): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
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

  #refuse(open: OpenGraph, error: VesselError): void {
    this.#links.reply(open.order, { type: 'refused', session: open.id, code: error.code, message: error.message.slice(0, 1000) });
    this.close(open.id);
  }
}
