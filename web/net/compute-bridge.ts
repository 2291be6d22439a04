/** The page's end of the compute worker: typed messages both ways, and the links the worker may not own itself. */

import type { OrderLink } from '../../sdk/net/order-link.ts';
import type { PeerNode } from '../../sdk/net/peer-node.ts';
import { toVesselError } from '../../shared/protocol/errors.ts';
import type { PresenceClientMessage } from '../../shared/protocol/presence-messages.ts';
import type { FromWorker, ToWorker, WorkerStatus } from '../worker/bridge-messages.ts';

const linksMs = 2000;

export interface BridgeEvents {
  onStatus: (status: WorkerStatus) => void;
  onFailed: (error: { code: string; message: string }) => void;
  /** A frame came in or went out: bytes for the page's counters. */
  onTraffic: (bytesIn: number, bytesOut: number) => void;
  sendToRelay: (message: PresenceClientMessage) => void;
}

export class ComputeBridge {
  readonly #worker: Worker;
  readonly #node: PeerNode;
  readonly #events: BridgeEvents;
  readonly #orders = new Map<number, OrderLink>();
  readonly #refusals = new Map<number, (refusal: Extract<FromWorker, { type: 'refuse' }>['refusal']) => void>();
  readonly #linksTimer: ReturnType<typeof setInterval>;
  #nextOrder = 0;
  #nextFrame = 0;
  #onStopped: () => void = () => {};

  constructor(node: PeerNode, start: Omit<Extract<ToWorker, { type: 'start' }>, 'type'>, events: BridgeEvents) {
    this.#node = node;
    this.#events = events;
    this.#worker = new Worker(new URL('../worker/main.ts', import.meta.url), { type: 'module', name: 'vessel-compute' });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      events.onFailed({ code: 'internal', message: event.message || 'The compute worker could not be started.' });
    };
    this.post({ type: 'start', ...start });
    this.#linksTimer = setInterval(() => this.post({ type: 'links', links: node.measuredLinks() }), linksMs);
  }

  /** Opens the doors for askers and hops. */
  async serve(): Promise<void> {
    await this.#node.serveOrders((link, peer) => {
      const order = this.#nextOrder++;
      this.#orders.set(order, link);
      return {
        onMessage: (text, attachment) => this.post({ type: 'order', order, peer, text, ...(attachment ? { attachment } : {}) }),
        onClose: () => {
          this.#orders.delete(order);
          this.post({ type: 'order-closed', order });
        },
      };
    });
    await this.#node.serveFrames({
      onFrame: (peer, frame, refuse) => {
        this.#events.onTraffic(frame.byteLength, 0);
        const call = this.#nextFrame++;
        this.#rememberRefusal(call, refuse);
        this.post({ type: 'frame', call, peer, frame }, [frame.buffer]);
      },
      onRefusal: (peer, refusal) => this.post({ type: 'frame-refused', peer, refusal }),
      onLost: (peer) => this.post({ type: 'lost', peer }),
    });
  }

  post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Ends sessions, frees the device, ends the worker. */
  async stop(): Promise<void> {
    clearInterval(this.#linksTimer);
    await this.#node.stopServing();
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve;
      // A worker that hangs in a step is ended all the same.
      setTimeout(resolve, 2000);
      this.post({ type: 'stop' });
    });
    this.#worker.terminate();
    for (const link of this.#orders.values()) link.close();
    this.#node.endFrames();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'relay':
        this.#events.sendToRelay(message.message);
        return;
      case 'connect':
        this.#answer(
          message.call,
          this.#node.connect(message.peer).finally(() => this.post({ type: 'links', links: this.#node.measuredLinks() })),
        );
        return;
      case 'send':
        this.#events.onTraffic(0, message.frame.byteLength);
        this.#answer(message.call, this.#node.sendFrame(message.peer, message.frame));
        return;
      case 'reply':
        void this.#orders
          .get(message.order)
          ?.send(message.message)
          .catch(() => undefined);
        return;
      case 'drop-order':
        this.#orders.get(message.order)?.close();
        return;
      case 'refuse':
        this.#refusals.get(message.call)?.(message.refusal);
        return;
      case 'status':
        this.#events.onStatus(message.status);
        return;
      case 'failed':
        this.#events.onFailed(message);
        return;
      case 'stopped':
        this.#onStopped();
        return;
      default:
        message satisfies never;
    }
  }

  #answer(call: number, done: Promise<void>): void {
    done.then(
      () => this.post({ type: 'did', call }),
      (thrown) => {
        const { code, message } = toVesselError(thrown);
        this.post({ type: 'did', call, error: { code, message } });
      },
    );
  }

  /** The worker answers at once or not at all: a few hundred frames back is enough. */
  #rememberRefusal(call: number, refuse: (refusal: Extract<FromWorker, { type: 'refuse' }>['refusal']) => void): void {
    this.#refusals.set(call, refuse);
    this.#refusals.delete(call - 500);
  }
}
