/** A session with a whole-graph service: orders in, results out, on one provider. */

import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { HopMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import type { OrderPool } from './order-pool.ts';

export type ServiceResult = Omit<Extract<HopMessage, { type: 'service-result' }>, 'type' | 'session' | 'run'>;

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
  #runs = 0;
  #failure: VesselError | null = null;

  /** Matches a provider and opens the session. `model` is a name or a manifest CID. */
  static async open(ports: AskPorts, pool: OrderPool, model: string, signal?: AbortSignal): Promise<ServiceSession> {
    const route = await ports.match({ model, tokens: 1 }, signal ?? new AbortController().signal);
    const session = new ServiceSession(ports, pool, route);
    signal?.addEventListener('abort', () => session.#fail(new VesselError('cancelled')), { once: true });
    try {
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
    pool.listen(route.session, {
      onMessage: (peer, message) => {
        if (peer === this.provider) this.#receive(message);
      },
      onLost: (peer, error) => {
        if (peer === this.provider) this.#fail(error);
      },
    });
  }

  get provider(): string {
    return this.#route.hops[0]!.provider;
  }

  /** One order: its header and its bytes. An order that is refused leaves the session usable. */
  async run(order: Record<string, unknown>, input: Uint8Array): Promise<ServiceResult> {
    const run = this.#runs++;
    const message = { type: 'service-run', session: this.#route.session, run, order, bytes: input.byteLength };
    const reply = await this.#send(run, message, input);
    if (reply.type !== 'service-result') throw new VesselError('bad_message', 'The provider answered with something else.');
    return { result: reply.result, meter: reply.meter, backend: reply.backend };
  }

  close(): void {
    this.#fail(new VesselError('cancelled', 'The session was closed.'));
    void this.#pool.send(this.provider, { type: 'close', session: this.#route.session }).catch(() => undefined);
    this.#pool.forget(this.#route.session);
    this.#ports.release(this.#route.session);
  }

  #send(run: number, message: object, input?: Uint8Array): Promise<HopMessage> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const cancel = this.#ports.clock.after(limits.stepDeadlineMs, () => settle().reject(new VesselError('deadline')));
      const settle = () => {
        cancel();
        this.#waiting.delete(run);
        return { resolve, reject };
      };
      this.#waiting.set(run, {
        resolve: (reply) => settle().resolve(reply),
        reject: (error) => settle().reject(error),
      });
      this.#pool.send(this.provider, message, input).catch((thrown) => this.#waiting.get(run)?.reject(thrown));
    });
  }

  #receive(message: HopMessage): void {
    if (message.type === 'opened') this.#waiting.get(-1)?.resolve(message);
    else if (message.type === 'service-result') this.#waiting.get(message.run)?.resolve(message);
    else if (message.type === 'refused') {
      // A refusal names no order: they are answered in turn, so it is for the oldest one.
      const oldest = this.#waiting.values().next().value;
      oldest?.reject(new VesselError(message.code, message.message));
      if (message.code === 'unknown_session' || message.code === 'lease_expired' || message.code === 'provider_lost') {
        this.#fail(new VesselError(message.code, message.message));
      }
    }
  }

  #fail(error: VesselError): void {
    this.#failure ??= error;
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
  }
}
