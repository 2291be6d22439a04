/**
 * One session, from the asker's side: match, open every hop, start, take tokens, close. The same code serves the SDK (over WebRTC)
 * and the relay's HTTP API (over the links tabs keep to it): the ports differ.
 */

import type { AnswerPaid, AskEvent, AskIds, AskIdsFunction, AskStats } from '../shared/protocol/asking.ts';
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { AskerMessage, HopMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import { formatAic } from '../shared/receipts/format-aic.ts';
import { AskDeadline } from './ask-deadline.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import { EventQueue } from './event-queue.ts';
import type { OrderPool } from './order-pool.ts';
import { quoteRoute, SessionPaying } from './paying/session-paying.ts';

/** Statistics and last receipts are worth this wait, not more. */
const closedWaitMs = 1000;
/** No session moves to other hops yet. */
const epoch = 0;

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
      yield { type: 'route', session: route.session, hops: route.hops };
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

type SessionEvent = Extract<AskEvent, { type: 'token' }> | { type: 'done'; reason: 'stop' | 'length' };

class AskedSession {
  readonly #ports: AskPorts;
  readonly #pool: OrderPool;
  readonly #route: MatchedRoute;
  readonly #request: AskIds;
  readonly #capacity: number;
  readonly #events = new EventQueue<SessionEvent>();
  readonly #opened = new Set<string>();
  readonly #closed = new Map<string, Extract<HopMessage, { type: 'closed' }>>();
  readonly #deadline: AskDeadline;
  /** Null: the session is free. */
  readonly #paying: SessionPaying | null;
  /** Hops that will say nothing more. */
  readonly #ended = new Set<string>();
  #isSettled = false;
  #onProgress: () => void = () => {};
  #tokens = 0;
  #prefilled = 0;
  #failure: VesselError | null = null;
  /** The answer is complete; what comes late sets no watch any more. */
  #isDone = false;
  #isOver = false;
  #relayMessagesBefore = 0;

  constructor(ports: AskPorts, pool: OrderPool, route: MatchedRoute, request: AskIds, capacity: number) {
    this.#ports = ports;
    this.#pool = pool;
    this.#route = route;
    this.#request = request;
    this.#capacity = capacity;
    this.#deadline = new AskDeadline(ports.clock, (error) => this.fail(error));
    this.#paying = this.#createPaying();
    pool.listen(route.session, {
      onMessage: (peer, message) => this.#receive(peer, message),
      onLost: (peer) => {
        if (!this.#isHop(peer)) return;
        this.#ended.add(peer);
        this.fail(new VesselError('provider_lost'));
      },
    });
  }

  /** Reserves KV on every hop at once. */
  async open(): Promise<void> {
    this.#deadline.within(limits.openDeadlineMs, 'The providers did not open the session in time.');
    const { hops, session, model } = this.#route;
    const { promptIds, maxTokens, stopIds, sampling } = this.#request;
    const peers = hops.map(({ provider }) => provider);
    const sends = hops.map((hop, index) => {
      const payment = this.#paying?.offer(index);
      const message: AskerMessage = {
        type: 'open',
        version: protocolVersion,
        session,
        epoch,
        model,
        from: hop.from,
        to: hop.to,
        index,
        route: peers,
        capacity: this.#capacity,
        ...(payment ? { payment } : {}),
        ...(index === 0 ? { first: { promptIds } } : {}),
        ...(index === hops.length - 1 ? { last: { promptIds, maxTokens, stopIds, sampling } } : {}),
      };
      return this.#pool.send(hop.provider, message);
    });
    // A hop that refuses fails the session and so ends the wait.
    const allOpened = new Promise<void>((resolve) => {
      this.#onProgress = () => {
        if (this.#failure || this.#opened.size === hops.length) resolve();
      };
      this.#onProgress();
    });
    for (const send of sends) send.catch((thrown) => this.fail(toVesselError(thrown)));
    await allOpened;
    // Until `start` it is the asker's own time that passes.
    this.#deadline.clear();
    if (this.#failure) throw this.#failure;
  }

  /** Pays the first batch and starts hop 1. */
  async start(): Promise<void> {
    await this.#paying?.begin();
    this.#relayMessagesBefore = this.#ports.relayMessages(this.#route.session);
    this.#deadline.within(limits.stepDeadlineMs, 'The providers stopped answering.');
    await this.#pool.send(this.#route.hops[0]!.provider, { type: 'start', session: this.#route.session });
  }

  next(): Promise<SessionEvent> {
    return this.#events.next();
  }

  /** Closes every hop and gathers what they counted and signed. */
  async finish(): Promise<{ stats: AskStats; paid?: AnswerPaid }> {
    const relayMessages = this.#ports.relayMessages(this.#route.session) - this.#relayMessagesBefore;
    this.#sendClose();
    const paid = await this.#settle();
    let bytes = 0;
    let frames = 0;
    for (const { decodeBytes, decodeFrames } of this.#closed.values()) {
      bytes += decodeBytes;
      frames += decodeFrames;
    }
    const stats = {
      bytesPerTokenPerHop: frames === 0 ? 0 : bytes / frames,
      relayMessagesPerToken: relayMessages / Math.max(1, this.#tokens),
      failovers: 0,
    };
    return { stats, ...(paid ? { paid } : {}) };
  }

  /** Frees every hop. Safe to call twice; what cannot be told will be freed by its lease. */
  close(): void {
    this.#sendClose();
    const forget = () => {
      this.#pool.forget(this.#route.session);
      this.#ports.release(this.#route.session);
    };
    // The last receipts of an answer that was broken off are still on their way: they say how little of the promise was used.
    if (this.#paying?.hasPaid && !this.#isSettled) void this.#settle().then(forget, forget);
    else forget();
  }

  async #settle(): Promise<AnswerPaid | undefined> {
    this.#isSettled = true;
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.clock.after(closedWaitMs, resolve);
      this.#onProgress = () => {
        if (this.#ended.size < this.#route.hops.length) return;
        cancel();
        resolve();
      };
      this.#onProgress();
    });
    return this.#paying?.finish();
  }

  #createPaying(): SessionPaying | null {
    const { payer, promptIds, maxTokens } = this.#request;
    const { terms } = this.#ports;
    if (!payer || !terms || quoteRoute(this.#route, promptIds.length, maxTokens) === 0n) return null;
    const { session } = this.#route;
    return new SessionPaying({
      route: this.#route,
      terms,
      payer,
      promptIds,
      maxTokens,
      epoch,
      send: (peer, payment) => void this.#pool.send(peer, { type: 'pay', session, payment }).catch(() => undefined),
      onFailed: (error) => this.fail(error),
    });
  }

  #sendClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadline.clear();
    const { session, hops } = this.#route;
    for (const { provider } of hops) void this.#pool.send(provider, { type: 'close', session }).catch(() => undefined);
  }

  fail(error: VesselError): void {
    this.#failure ??= error;
    this.#events.fail(error);
    this.#onProgress();
  }

  #isHop(peer: string): boolean {
    return this.#route.hops.some(({ provider }) => provider === peer);
  }

  #receive(peer: string, message: HopMessage): void {
    if (!this.#isHop(peer)) return;
    switch (message.type) {
      case 'opened':
        this.#opened.add(peer);
        this.#onProgress();
        return;
      case 'progress':
        // Only real progress is a sign of life.
        if (this.#isDone || this.#isOver || peer !== this.#route.hops[0]!.provider || message.position <= this.#prefilled) return;
        this.#prefilled = message.position;
        this.#deadline.again();
        return;
      case 'token':
        if (this.#isDone || this.#isOver || peer !== this.#route.hops.at(-1)!.provider) return;
        if (message.index !== this.#tokens || message.index >= this.#request.maxTokens) {
          this.fail(new VesselError('bad_message', 'The last hop miscounted its tokens.'));
          return;
        }
        this.#tokens++;
        this.#paying?.token(message.id);
        this.#deadline.again();
        this.#events.push({
          type: 'token',
          index: message.index,
          id: message.id,
          logprob: message.logprob,
          top: message.top.map(([id, logprob]) => ({ id, logprob })),
        });
        return;
      case 'done':
        if (peer !== this.#route.hops.at(-1)!.provider) return;
        this.#isDone = true;
        this.#deadline.clear();
        this.#events.push({ type: 'done', reason: message.reason });
        return;
      case 'closed':
        this.#closed.set(peer, message);
        this.#paying?.closed(peer);
        this.#ended.add(peer);
        this.#onProgress();
        return;
      case 'receipt':
        this.#paying?.receipt(peer, message.signed);
        return;
      case 'refused':
        // The answer to our close, after an error that ended the session there before.
        if (this.#isOver && message.code === 'unknown_session') this.#ended.add(peer);
        if (this.#isOver) this.#onProgress();
        if (!this.#isOver) this.fail(new VesselError(message.code, message.message));
        return;
      case 'service-result':
        return;
      default:
        message satisfies never;
    }
  }
}
