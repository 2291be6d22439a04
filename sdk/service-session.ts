/** A session with a whole-graph service: orders in, results out, on one provider, paid by the order where it asks for money. */

import type { AnswerPaid } from '../shared/protocol/asking.ts';
import { type ErrorCode, toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { HopMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import type { AskPayer } from '../shared/receipts/ask-payer.ts';
import { formatAic } from '../shared/receipts/format-aic.ts';
import type { MeteredService } from '../shared/services/service-type.ts';
import { AskDeadline } from './ask-deadline.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import type { OrderPool } from './order-pool.ts';
import { ServicePaying, type ServicePayingFields } from './paying/service-paying.ts';
import { quoteRoute } from './paying/session-paying.ts';

/** What one order came to. */
export interface ServiceResult {
  /** JSON, in the form of the service type. */
  result: Record<string, unknown>;
  /** What was done, in the service type's own unit. */
  meter: { unit: string; amount: number };
  backend: 'webgpu' | 'wasm';
}

/** @internal */
export interface ServiceRequest {
  /** A name or a manifest CID. */
  model: string;
  signal?: AbortSignal | undefined;
  /** Who pays; without one only free providers work. */
  payer?: AskPayer | null | undefined;
  /** Wei for the whole session at most. */
  maxPrice?: bigint | undefined;
  /** How a graph is metered, by its manifest CID. Asked for only where it has to be paid for. */
  metered: (model: string) => MeteredService | Promise<MeteredService>;
}

type Payment = Pick<ServicePayingFields, 'payer' | 'terms' | 'service' | 'maxPrice'>;

/** The last receipt is worth this wait, not more. */
const closedWaitMs = 1000;

/** A run refused with one of these says that the provider has no such session (any more). */
const sessionCodes: ReadonlySet<ErrorCode> = new Set([
  'unknown_session',
  'lease_expired',
  'provider_lost',
  'device_lost',
  'no_lease',
  'bad_message',
]);

interface Waiting {
  resolve: (message: HopMessage) => void;
  reject: (error: VesselError) => void;
}

export class ServiceSession {
  readonly #ports: AskPorts;
  readonly #pool: OrderPool;
  readonly #route: MatchedRoute;
  /** By run number; the opening is −1. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #deadline: AskDeadline;
  #runs = 0;
  #failure: VesselError | null = null;
  /** There is nobody left to say `close` to. */
  #isLost = false;
  #closing: Promise<AnswerPaid | null> | null = null;
  #onLastWord = () => {};
  #forgetSignal = () => {};
  /** Null: the session is free. */
  readonly #paying: ServicePaying | null;

  /**
   * Matches a provider and opens the session.
   * @internal
   */
  static async open(ports: AskPorts, pool: OrderPool, request: ServiceRequest): Promise<ServiceSession> {
    const { model, signal } = request;
    if (signal?.aborted) throw new VesselError('cancelled');
    const route = await ports.match({ model, tokens: 1 }, signal ?? new AbortController().signal);
    const payment = await requirePayment(ports, route, request).catch((thrown) => {
      ports.release(route.session);
      throw thrown;
    });
    const session = new ServiceSession(ports, pool, route, payment);
    const onAbort = () => void session.close();
    signal?.addEventListener('abort', onAbort, { once: true });
    session.#forgetSignal = () => signal?.removeEventListener('abort', onAbort);
    try {
      if (signal?.aborted) throw new VesselError('cancelled');
      const offer = session.#paying?.offer;
      await session.#send(-1, {
        type: 'service-open',
        version: protocolVersion,
        session: route.session,
        model: route.model,
        ...(offer ? { payment: offer } : {}),
      });
    } catch (thrown) {
      void session.close();
      throw thrown;
    }
    return session;
  }

  private constructor(ports: AskPorts, pool: OrderPool, route: MatchedRoute, payment: Payment | null) {
    this.#ports = ports;
    this.#pool = pool;
    this.#route = route;
    this.#deadline = new AskDeadline(ports.clock, (error) => this.#fail(error));
    const { session } = route;
    this.#paying =
      payment &&
      new ServicePaying({
        ...payment,
        route,
        send: (peer, promise) => void pool.send(peer, { type: 'pay', session, payment: promise }).catch(() => undefined),
        onFailed: (error) => this.#fail(error),
      });
    pool.listen(session, {
      onMessage: (peer, message) => {
        if (peer === this.provider) this.#receive(message);
      },
      onLost: (peer, error) => {
        if (peer !== this.provider) return;
        this.#isLost = true;
        this.#onLastWord();
        this.#fail(error);
      },
    });
  }

  get provider(): string {
    return this.#route.hops[0]!.provider;
  }

  /** Wei that an order can cost at most; 0n where it is free. Throws `bad_request` for one that breaks the service type's rules. */
  quote(order: Record<string, unknown>, inputBytes: number): bigint {
    return this.#paying?.quote(order, inputBytes) ?? 0n;
  }

  /**
   * One order: its header and its bytes. Orders may be sent without waiting for each other's answers; they are worked off in turn.
   * An order the service refuses (`bad_request`, `bad_output`), or that could cost more than there is for the session
   * (`payment_required`, before it is sent), leaves the session as it was. `provider_lost`, `lease_expired`,
   * `deadline`: the session is over, and so is what a streaming service remembered of it; open another one.
   */
  async run(order: Record<string, unknown>, input: Uint8Array): Promise<ServiceResult> {
    if (input.byteLength > limits.maxServiceBytes) {
      throw new VesselError('bad_request', `An order may attach ${limits.maxServiceBytes} bytes, not ${input.byteLength}.`);
    }
    if (this.#failure) throw this.#failure;
    const run = this.#runs++;
    this.#paying?.add(run, order, input);
    const message = { type: 'service-run', session: this.#route.session, run, order, bytes: input.byteLength };
    const reply = await this.#send(run, message, input);
    if (reply.type !== 'service-result') throw new VesselError('bad_message', 'The provider answered with something else.');
    return { result: reply.result, meter: reply.meter, backend: reply.backend };
  }

  /**
   * Frees the session on the provider; orders that wait end with `cancelled`. Closing twice is harmless. Resolves, when the provider
   * has said its last word, to what the session cost; null for a free one, and for one whose provider broke the rules.
   */
  close(): Promise<AnswerPaid | null> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<AnswerPaid | null> {
    this.#forgetSignal();
    this.#fail(new VesselError('cancelled', 'The session was closed.'));
    let paid: AnswerPaid | null = null;
    const lastWord = this.#paying?.hasPaid ? this.#untilLastWord() : null;
    if (!this.#isLost) {
      void this.#pool.send(this.provider, { type: 'close', session: this.#route.session }).catch(() => undefined);
    }
    if (lastWord) {
      await lastWord;
      paid = await this.#paying!.finish().catch(() => null);
    }
    this.#pool.forget(this.#route.session);
    this.#ports.release(this.#route.session);
    return paid;
  }

  #untilLastWord(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#ports.clock.after(closedWaitMs, resolve);
      this.#onLastWord = () => {
        cancel();
        resolve();
      };
      if (this.#isLost) this.#onLastWord();
    });
  }

  #send(run: number, message: object, input?: Uint8Array): Promise<HopMessage> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      // Orders are answered in turn, so each answer is a sign of life for those behind it.
      if (run === -1) this.#deadline.within(limits.openDeadlineMs, 'The provider did not open the session in time.');
      else if (this.#waiting.size === 0) this.#deadline.within(limits.stepDeadlineMs, 'The provider did not answer in time.');
      this.#waiting.set(run, { resolve, reject });
      this.#pool.send(this.provider, message, input).catch((thrown) => this.#fail(toVesselError(thrown)));
    });
  }

  /** The order is answered, one way or the other. */
  #settle(run: number): Waiting | undefined {
    const waiting = this.#waiting.get(run);
    this.#waiting.delete(run);
    if (this.#waiting.size === 0) this.#deadline.clear();
    else this.#deadline.again();
    return waiting;
  }

  #receive(message: HopMessage): void {
    switch (message.type) {
      case 'opened':
        this.#settle(-1)?.resolve(message);
        return;
      case 'service-result':
        try {
          this.#paying?.answered(message.run, message.result);
        } catch (thrown) {
          this.#fail(toVesselError(thrown));
        }
        this.#settle(message.run)?.resolve(message);
        return;
      case 'receipt':
        this.#paying?.receipt(this.provider, message.signed);
        return;
      case 'closed':
        this.#paying?.closed(this.provider);
        this.#onLastWord();
        return;
      case 'refused': {
        const error = new VesselError(message.code, message.message);
        // The answer to our close, after an error that ended the session there before.
        if (this.#closing && message.code === 'unknown_session') this.#onLastWord();
        if (message.run === undefined || sessionCodes.has(message.code)) this.#fail(error);
        else {
          this.#paying?.refused(message.run);
          this.#settle(message.run)?.reject(error);
        }
        return;
      }
      default:
      // The rest is about language sessions.
    }
  }

  #fail(error: VesselError): void {
    this.#failure ??= error;
    this.#paying?.stop();
    for (const run of [...this.#waiting.keys()]) this.#settle(run)?.reject(error);
    this.#deadline.clear();
  }
}

/** Null: the route is free. Throws `payment_required` before anything is opened. */
async function requirePayment(
  { terms }: AskPorts,
  route: MatchedRoute,
  { payer, maxPrice, metered }: ServiceRequest,
): Promise<Payment | null> {
  if (quoteRoute(route, 1, 1) === 0n) return null;
  const service = await metered(route.model);
  if (!payer || !terms) {
    const { unit, positionsPerUnit } = service.type;
    const price = `This service costs ${formatAic(quoteRoute(route, 1000 * positionsPerUnit, 1))} for 1,000 ${unit}`;
    throw new VesselError('payment_required', `${price}, and nobody was named who pays.`);
  }
  return { payer, terms, service, maxPrice: maxPrice !== undefined && maxPrice < payer.bound ? maxPrice : payer.bound };
}
