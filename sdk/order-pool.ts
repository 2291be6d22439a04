/** One order stream per hop, shared by all sessions of this asker and kept for the next one: opening costs two round trips. */
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { type HopMessage, hopMessageSchema } from '../shared/protocol/order-messages.ts';
import { parseMessage } from '../shared/protocol/parse-message.ts';
import type { AskPorts, OrderSender } from './ask-ports.ts';
import { HopPulse } from './hop-pulse.ts';

/** What a hop says about one session. */
export type SessionMessage = Exclude<HopMessage, { type: 'alive' }>;

export interface SessionListener {
  onMessage: (peer: string, message: SessionMessage) => void;
  /** The stream to this hop ended. */
  onLost: (peer: string, error: VesselError) => void;
}

export class OrderPool {
  readonly #ports: Pick<AskPorts, 'openOrder' | 'clock'>;
  readonly #orders = new Map<string, Promise<OrderSender>>();
  readonly #listeners = new Map<string, SessionListener>();
  readonly #pulses = new Map<string, HopPulse>();

  constructor(ports: Pick<AskPorts, 'openOrder' | 'clock'>) {
    this.#ports = ports;
  }

  listen(session: string, listener: SessionListener): void {
    this.#listeners.set(session, listener);
  }

  forget(session: string): void {
    this.#listeners.delete(session);
  }

  /** When `peer` was last heard, and how long it may be silent. */
  pulse(peer: string): HopPulse {
    let pulse = this.#pulses.get(peer);
    if (!pulse) {
      pulse = new HopPulse(this.#ports.clock);
      this.#pulses.set(peer, pulse);
    }
    return pulse;
  }

  async send(peer: string, message: object, attachment?: Uint8Array): Promise<void> {
    await (await this.order(peer)).send(message, attachment);
  }

  /** The stream to `peer`; a closed one is replaced. */
  async order(peer: string): Promise<OrderSender> {
    const current = this.#orders.get(peer);
    if (current) {
      const order = await current;
      if (order.isOpen) return order;
      // Someone else may have begun to open another one meanwhile.
      if (this.#orders.get(peer) !== current && this.#orders.has(peer)) return this.order(peer);
    }
    const opening = this.#open(peer);
    this.#orders.set(peer, opening);
    opening.catch(() => {
      if (this.#orders.get(peer) === opening) this.#orders.delete(peer);
    });
    return opening;
  }

  async close(): Promise<void> {
    for (const order of this.#orders.values()) (await order.catch(() => null))?.close();
    this.#orders.clear();
  }

  async #open(peer: string): Promise<OrderSender> {
    const opening: Promise<OrderSender> = this.#ports.openOrder(peer, {
      onMessage: (text) => {
        const message = parseMessage(hopMessageSchema, text);
        this.pulse(peer).heard(message.type === 'alive');
        if (message.type === 'alive') return;
        this.#listeners.get(message.session)?.onMessage(peer, message);
      },
      onClose: (error) => {
        if (this.#orders.get(peer) === opening) {
          this.#orders.delete(peer);
          this.#pulses.delete(peer);
        }
        const lost = error ?? new VesselError('provider_lost', 'A provider closed its link.');
        for (const listener of [...this.#listeners.values()]) listener.onLost(peer, lost);
      },
    });
    return opening.catch((thrown) => {
      throw toVesselError(thrown);
    });
  }
}
