/**
 * One ask: match, check that it can be paid, open, take tokens, close. The same code serves the SDK (over WebRTC) and the relay's HTTP
 * API (over the links tabs keep to it): the ports differ.
 */

import type { AskEvent, AskIds, AskIdsFunction } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { formatAic } from '../shared/receipts/format-aic.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import { AskedSession } from './asked-session.ts';
import type { OrderPool } from './order-pool.ts';
import { quoteRoute } from './paying/session-paying.ts';

export function createAskIds(ports: AskPorts, pool: OrderPool): AskIdsFunction {
  return async function* askIds(request: AskIds): AsyncGenerator<AskEvent> {
    const { promptIds, maxTokens } = request;
    if (promptIds.length === 0) throw new VesselError('bad_request', 'The prompt has no tokens.');
    const signal = request.signal ?? new AbortController().signal;
    if (signal.aborted) throw new VesselError('cancelled');
    const capacity = promptIds.length + maxTokens;
    if (capacity > limits.maxContext) throw new VesselError('context_exceeded');
    const route = await ports.match({ model: request.model, tokens: capacity }, signal);
    try {
      requireAffordable(ports, route, request);
    } catch (thrown) {
      ports.release(route.session);
      throw thrown;
    }
    const session = new AskedSession(ports, pool, route, request, capacity);
    const onAbort = () => session.fail(new VesselError('cancelled'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) throw new VesselError('cancelled');
      await session.open();
      await session.start();
      for (;;) {
        const event = await session.next();
        if (event.type === 'done') {
          yield { type: 'done', reason: event.reason, ...(await session.finish()) };
          return;
        }
        yield event;
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      session.close();
    }
  };
}

/** Before anything is opened: what may be spent covers what the answer can cost at most. */
function requireAffordable({ terms }: AskPorts, route: MatchedRoute, { promptIds, maxTokens, payer, maxPrice }: AskIds): void {
  const most = quoteRoute(route, promptIds.length, maxTokens);
  if (most === 0n) return;
  const price = `This answer can cost up to ${formatAic(most)}`;
  if (!payer || !terms) throw new VesselError('payment_required', `${price}, and nobody was named who pays.`);
  if (maxPrice !== undefined && most > maxPrice) {
    throw new VesselError('payment_required', `${price}, more than the ${formatAic(maxPrice)} you allow.`);
  }
  if (most > payer.bound) {
    throw new VesselError('payment_required', `${price}, more than the ${formatAic(payer.bound)} that are there for it.`);
  }
}
