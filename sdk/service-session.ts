/** A session with a whole-graph service: orders in, results out, on one provider. */

import { type ErrorCode, toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { HopMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import { AskDeadline } from './ask-deadline.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import type { OrderPool } from './order-pool.ts';

/** What one order came to. */
export interface ServiceResult {
  /** JSON, in the form of the service type. */
  result: Record<string, unknown>;
  /** What was done, in the service type's own unit. */
  meter: { unit: string; amount: number };
  backend: 'webgpu' | 'wasm';
}

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
  #isClosed = false;
  #forgetSignal = () => {};

  /**
   * Matches a provider and opens the session. `model` is a name or a manifest CID.
   * @internal
   */
  static async open(ports: AskPorts, pool: OrderPool, model: string, signal?: AbortSignal): Promise<ServiceSession> {
    if (signal?.aborted) throw new VesselError('cancelled');
    const route = await ports.match({ model, tokens: 1 }, signal ?? new AbortController().signal);
    const session = new ServiceSession(ports, pool, route);
    const onAbort = () => session.close();
    signal?.addEventListener('abort', onAbort, { once: true });
    session.#forgetSignal = () => signal?.removeEventListener('abort', onAbort);
    try {
      if (signal?.aborted) throw new VesselError('cancelled');
      await session.#send(-1, {
        type: 'service-open',
        version: protocolVersion,
        session: route.session,
        model: route.model,
      });
    } catch (thrown) {
      session.close();
      throw thrown;
    }
    return session;
  }

  private constructor(ports: AskPorts, pool: OrderPool, route: MatchedRoute) {
    this.#ports = ports;
    this.#pool = pool;
    this.#route = route;
    this.#deadline = new AskDeadline(ports.clock, (error) => this.#fail(error));
    pool.listen(route.session, {
      onMessage: (peer, message) => {
        if (peer === this.provider) this.#receive(message);
      },
      onLost: (peer, error) => {
        if (peer !== this.provider) return;
        this.#isLost = true;
        this.#fail(error);
      },
    });
  }

  get provider(): string {
    return this.#route.hops[0]!.provider;
  }

  /**
   * One order: its header and its bytes. Orders may be sent without waiting for each other's answers; they are worked off in turn.
   * An order the service refuses (`bad_request`, `bad_output`) leaves the session as it was. `provider_lost`, `lease_expired`,
   * `deadline`: the session is over, and so is what a streaming service remembered of it; open another one.
   */
  async run(order: Record<string, unknown>, input: Uint8Array): Promise<ServiceResult> {
    if (input.byteLength > limits.maxServiceBytes) {
      throw new VesselError('bad_request', `An order may attach ${limits.maxServiceBytes} bytes, not ${input.byteLength}.`);
    }
    const run = this.#runs++;
    const message = { type: 'service-run', session: this.#route.session, run, order, bytes: input.byteLength };
    const reply = await this.#send(run, message, input);
    if (reply.type !== 'service-result') throw new VesselError('bad_message', 'The provider answered with something else.');
    return { result: reply.result, meter: reply.meter, backend: reply.backend };
  }

  /** Frees the session on the provider; orders that wait end with `cancelled`. Closing twice is harmless. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#forgetSignal();
    this.#fail(new VesselError('cancelled', 'The session was closed.'));
    if (!this.#isLost) {
      void this.#pool.send(this.provider, { type: 'close', session: this.#route.session }).catch(() => undefined);
    }
    this.#pool.forget(this.#route.session);
    this.#ports.release(this.#route.session);
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
    if (message.type === 'opened') this.#settle(-1)?.resolve(message);
    else if (message.type === 'service-result') this.#settle(message.run)?.resolve(message);
    else if (message.type === 'refused') {
      const error = new VesselError(message.code, message.message);
      if (message.run === undefined || sessionCodes.has(message.code)) this.#fail(error);
      else this.#settle(message.run)?.reject(error);
    }
  }

  #fail(error: VesselError): void {
    this.#failure ??= error;
    for (const run of [...this.#waiting.keys()]) this.#settle(run)?.reject(error);
    this.#deadline.clear();
  }
}
