/**
 * The paying of a session with a whole-graph service: an order is a batch, promised when the one before it is signed for, and charged
 * as the service type meters it. What is signed, promised and settled is as in a language session.
 */
import type { AnswerPaid } from '../../shared/protocol/asking.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { emptyHistory } from '../../shared/protocol/history.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { formatAic } from '../../shared/receipts/format-aic.ts';
import { extendOrderHistory } from '../../shared/services/order-history.ts';
import { type MeteredService, mostPositions, positionsOf } from '../../shared/services/service-type.ts';
import { quoteRoute, SessionPaying, type SessionPayingFields } from './session-paying.ts';

export interface ServicePayingFields extends Omit<SessionPayingFields, 'promptIds' | 'maxTokens' | 'epoch'> {
  service: MeteredService;
  /** Wei for the whole session at most. */
  maxPrice: bigint;
}

interface Pending {
  order: unknown;
  input: Uint8Array;
  /** Positions that it can be. */
  most: number;
  isPromised: boolean;
}

export class ServicePaying {
  readonly #fields: ServicePayingFields;
  readonly #paying: SessionPaying;
  /** By run, in order. */
  readonly #pending = new Map<number, Pending>();
  /** Of the orders that were answered; and as far as the provider has signed for them. */
  #positions = 0;
  #receipted = 0;
  #history: Uint8Array = emptyHistory;
  #isStopped = false;

  constructor(fields: ServicePayingFields) {
    this.#fields = fields;
    this.#paying = new SessionPaying({ ...fields, promptIds: null, maxTokens: 1, epoch: 0 });
  }

  /** What `service-open` says. */
  get offer(): OpenMessage['payment'] {
    return this.#paying.offer(0);
  }

  get hasPaid(): boolean {
    return this.#paying.hasPaid;
  }

  /** Wei that an order can cost at most. Throws `bad_request` for one that breaks the type's rules. */
  quote(order: unknown, inputBytes: number): bigint {
    return quoteRoute(this.#fields.route, mostPositions(this.#fields.service, order, inputBytes), 1);
  }

  /** An order is about to be sent. Throws `bad_request`, and `payment_required` when the session could cost too much with it. */
  add(run: number, order: unknown, input: Uint8Array): void {
    const { route, service, maxPrice } = this.#fields;
    const most = mostPositions(service, order, input.byteLength);
    const pending = [...this.#pending.values()].reduce((sum, other) => sum + other.most, 0);
    const price = quoteRoute(route, this.#positions + pending + most, 1);
    if (price > maxPrice) {
      const words = `With this order the session can cost up to ${formatAic(price)}`;
      throw new VesselError('payment_required', `${words}, more than the ${formatAic(maxPrice)} that are there for it.`);
    }
    this.#pending.set(run, { order, input, most, isPromised: false });
    this.#promiseNext();
  }

  /** Throws `bad_output` for a result that the service type does not have. */
  answered(run: number, result: unknown): void {
    const pending = this.#pending.get(run);
    if (!pending) throw new VesselError('bad_message', 'The provider answered an order that nobody gave.');
    const { order, input, most } = pending;
    const positions = positionsOf(this.#fields.service, order, input.byteLength, result);
    if (positions > 0) this.#history = extendOrderHistory(this.#history, order, input, result);
    this.#positions += positions;
    // What earlier orders left of their promise may have been enough for it.
    this.#promise(pending);
    this.#pending.delete(run);
    this.#paying.answered(most, positions, this.#history);
    this.#promiseNext();
  }

  /** The provider has not done the order. */
  refused(run: number): void {
    const pending = this.#pending.get(run);
    this.#pending.delete(run);
    if (pending?.isPromised) this.#paying.answered(pending.most, 0, this.#history);
    this.#promiseNext();
  }

  receipt(peer: string, signed: ReceiptMessage): void {
    this.#paying.receipt(peer, signed);
    this.#receipted = signed.receipt.promptPositions;
    this.#promiseNext();
  }

  /** Nothing more is promised. */
  stop(): void {
    this.#isStopped = true;
  }

  closed(peer: string): void {
    this.#paying.closed(peer);
  }

  /** The session is over. Rejects with what was wrong with the provider's receipts. */
  finish(): Promise<AnswerPaid> {
    return this.#paying.finish();
  }

  /** One order at a time: whoever takes the money and does not work gets no more than that. */
  #promiseNext(): void {
    const [next] = this.#pending.values();
    if (next && !this.#isStopped && this.#receipted >= this.#positions) this.#promise(next);
  }

  #promise(pending: Pending): void {
    if (pending.isPromised) return;
    pending.isPromised = true;
    this.#paying.order(pending.most).catch((thrown) => this.#fields.onFailed(thrown));
  }
}
