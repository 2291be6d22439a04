/** The relay's HTTP API as an asker like any other: its ports are the coordinator in this process and the links tabs keep to it. */
import type { AskPorts } from '../sdk/ask-ports.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import type { Coordinator } from './coordinator.ts';
import type { RelayNode } from './net/relay-node.ts';

export function relayAskPorts(coordinator: Coordinator, node: RelayNode, clock: Clock): AskPorts {
  /** Every message of a hop to this asker passes the relay: counted per session, so that the cost of plain HTTP can be shown. */
  const messages = new Map<string, number>();
  const count = (text: string) => {
    const session = /"session":"([0-9a-f]{32})"/.exec(text)?.[1];
    const known = session === undefined ? undefined : messages.get(session);
    if (known !== undefined) messages.set(session!, known + 1);
  };
  coordinator.askerOnline(node.self, true);
  return {
    clock,
    get terms() {
      return coordinator.terms;
    },
    match: async (request, signal) => {
      const route = await coordinator.match({ ...request, asker: node.self, signal });
      if (!request.again) messages.set(route.session, 0);
      return route;
    },
    release: (session) => {
      coordinator.release(session, node.self);
      messages.delete(session);
    },
    openOrder: (peer, handlers) =>
      node.openOrder(peer, {
        ...handlers,
        onMessage: (text, attachment) => {
          count(text);
          handlers.onMessage(text, attachment);
        },
      }),
    relayMessages: (session) => messages.get(session) ?? 0,
  };
}
