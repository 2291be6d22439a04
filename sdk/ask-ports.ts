/** What asking needs from the place it runs in: a match from the relay and order streams to the hops. */

import type { Clock } from '../shared/protocol/clock.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { RouteHopMessage } from '../shared/protocol/presence-messages.ts';
import type { Share } from '../shared/receipts/price.ts';
import type { OrderHandlers } from './net/order-link.ts';

export interface MatchedRoute {
  session: string;
  /** Manifest CID. */
  model: string;
  hops: RouteHopMessage[];
  /** Royalty receivers and the network. */
  shares?: Share[] | undefined;
}

export interface MatchRequest {
  model: string;
  /** Positions of KV. */
  tokens: number;
  /** Peers not to use. */
  avoid?: readonly string[];
  /** A session that goes on: these hops hold its KV and stay, others are found for the layers between them. */
  again?: { session: string; kept: readonly { provider: string; from: number; to: number }[] };
}

export interface OrderSender {
  readonly isOpen: boolean;
  send(message: object, attachment?: Uint8Array): Promise<void>;
  close(): void;
}

export interface AskPorts {
  readonly clock: Clock;
  /** Where signatures about money count; nothing: the network has no chain. */
  readonly terms?: NetworkTerms | null;
  /** Asks the relay for a session with KV for `tokens` positions. Rejects with `model_not_found`, `no_route`, `queue_full`, … */
  match(request: MatchRequest, signal: AbortSignal): Promise<MatchedRoute>;
  /** Tells the relay that a session is over. */
  release(session: string): void;
  openOrder(peer: string, handlers: OrderHandlers): Promise<OrderSender>;
  /** Messages that passed between the relay and anyone for this session since it was opened. */
  relayMessages(session: string): number;
}
