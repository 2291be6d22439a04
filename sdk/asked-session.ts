/**
 * One session, from the asker's side: open every hop, start, take tokens, put another hop in the place of one that is lost, close.
 *
 * A lost hop costs a pause and nothing else (design S1). The asker asks the relay for another holder of the layers, tells the hops
 * that stay the new route, opens the new ones, and has every hop send on what the next one lacks: rows are kept where they were
 * computed, so only the lost layers are computed again. A hop that was only silent comes back into its place, if nobody has it yet.
 */
import type { AnswerPaid, AskEvent, AskIds, AskStats, Recovery } from '../shared/protocol/asking.ts';
import { bytesToHex } from '../shared/protocol/bytes.ts';
import { type ErrorCode, toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { AskerMessage, HopMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import type { AskPorts, MatchedRoute } from './ask-ports.ts';
import { EventQueue } from './event-queue.ts';
import { LostHops } from './lost-hops.ts';
import type { OrderPool, SessionMessage } from './order-pool.ts';
import { quoteRoute, SessionPaying } from './paying/session-paying.ts';
import { StallWatch } from './stall-watch.ts';
import { TokenTrack } from './token-track.ts';

/** Statistics and last receipts are worth this wait, not more. */
const closedWaitMs = 1000;
/** How often silence is looked for. */
const watchMs = 100;
/** A watch that comes this late was held up together with everything it watches. */
const lateMs = 200;

export type SessionEvent =
  | Extract<AskEvent, { type: 'route' }>
  | Extract<AskEvent, { type: 'token' }>
  | { type: 'done'; reason: 'stop' | 'length' };

/** What is known of one hop in the current epoch. */
interface HopState {
  /** Positions it has taken; null: it has not answered in this epoch. */
  position: number | null;
  /** It has not been told of this session: it is opened, not rerouted. */
  isNew: boolean;
  /** Positions it takes by itself: hop 1 is opened with the tokens that are known. */
  opensAt: number;
}

/** Until the relay is asked again for somebody. */
const retryMs = 500;
/** What the relay may answer differently a little later. */
const worthAnotherTry = new Set<ErrorCode>(['no_route', 'deadline', 'provider_busy', 'queue_full', 'rate_limited', 'relay_lost']);

/** Errors that another hop would answer with as well. */
const finalCodes = new Set<ErrorCode>([
  'bad_request',
  'context_exceeded',
  'payment_required',
  'cancelled',
  'unsupported',
  'model_not_found',
]);

export class AskedSession {
  readonly #ports: AskPorts;
  readonly #pool: OrderPool;
  readonly #request: AskIds;
  readonly #capacity: number;
  readonly #events = new EventQueue<SessionEvent>();
  readonly #closed = new Map<string, Extract<HopMessage, { type: 'closed' }>>();
  readonly #stall: StallWatch;
  readonly #track: TokenTrack;
  readonly #recoveries: Recovery[] = [];
  /** Null: the session is free. */
  readonly #paying: SessionPaying | null;
  /** Hops that will say nothing more. */
  readonly #ended = new Set<string>();
  #route: MatchedRoute;
  #epoch = 0;
  #hops = new Map<string, HopState>();
  readonly #lost: LostHops;
  /** Hops whose neighbours were replaced since the answer last moved. */
  readonly #accusers = new Set<string>();
  #fruitless = 0;
  #stopWatch = () => {};
  #isRecovering = false;
  /** The last hop took another's place and has not drawn yet: it knows no token that the asker does not know. */
  #hasNewLast = false;
  #onMove: () => void = () => {};
  #isSettled = false;
  #isStarted = false;
  /** The hop 1 that has been told to start. */
  #startedPeer: string | null = null;
  /** Somebody waits for what hops say. */
  #onProgress: () => void = () => {};
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
    this.#track = new TokenTrack(request.promptIds);
    this.#lost = new LostHops(pool);
    this.#stall = new StallWatch(ports.clock, {
      ask: () => this.#tellAll((peer) => this.#send(peer, { type: 'where', session: this.id })),
      onStuck: (index) => this.#loseStuck(index),
    });
    this.#paying = this.#createPaying();
    pool.listen(route.session, {
      onMessage: (peer, message) => this.#receive(peer, message),
      onLost: (peer, error) => {
        if (!this.#isHop(peer)) return;
        this.#ended.add(peer);
        this.#onProgress();
        this.#lose(peer, error.code === 'internal' ? new VesselError('provider_lost', error.message) : error);
      },
    });
  }

  get id(): string {
    return this.#route.session;
  }

  /** Reserves KV on every hop at once. */
  async open(): Promise<void> {
    this.#hops = new Map(this.#route.hops.map(({ provider }) => [provider, { position: null, isNew: true, opensAt: 0 }]));
    await this.#establish(limits.openDeadlineMs);
    if (this.#lost.size > 0 && !this.#failure) await this.#recover();
    if (this.#failure) throw this.#failure;
    this.#announce();
  }

  /** Pays the first batch and starts hop 1. */
  async start(): Promise<void> {
    await this.#paying?.begin();
    this.#relayMessagesBefore = this.#ports.relayMessages(this.id);
    this.#isStarted = true;
    this.#watch();
    if (this.#lost.size > 0) void this.#recover();
    else this.#startFirst();
  }

  next(): Promise<SessionEvent> {
    return this.#events.next();
  }

  /** Closes every hop and gathers what they counted and signed. */
  async finish(): Promise<{ stats: AskStats; paid?: AnswerPaid }> {
    const relayMessages = this.#ports.relayMessages(this.id) - this.#relayMessagesBefore;
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
      relayMessagesPerToken: relayMessages / Math.max(1, this.#track.tokens),
      failovers: this.#recoveries.length,
      recoveries: this.#recoveries,
    };
    return { stats, ...(paid ? { paid } : {}) };
  }

  /** Frees every hop. Safe to call twice; what cannot be told will be freed by its lease. */
  close(): void {
    this.#sendClose();
    const forget = () => {
      this.#pool.forget(this.id);
      this.#ports.release(this.id);
    };
    // The last receipts of an answer that was broken off are still on their way: they say how little of the promise was used.
    if (this.#paying?.hasPaid && !this.#isSettled) void this.#settle().then(forget, forget);
    else forget();
  }

  fail(error: VesselError): void {
    this.#failure ??= error;
    this.#events.fail(error);
    this.#onProgress();
  }

  get #first(): string {
    return this.#route.hops[0]!.provider;
  }

  get #last(): string {
    return this.#route.hops.at(-1)!.provider;
  }

  #isHop(peer: string): boolean {
    return this.#hops.has(peer);
  }

  #send(peer: string, message: AskerMessage): void {
    this.#pool.send(peer, message).catch((thrown) => this.#lose(peer, toVesselError(thrown)));
  }

  #tellAll(tell: (peer: string) => void): void {
    for (const peer of this.#hops.keys()) tell(peer);
  }

  #announce(): void {
    this.#events.push({ type: 'route', session: this.id, hops: this.#route.hops });
  }

  /** This hop is of no use any more. What may come back is looked at again before another takes its place. */
  #lose(peer: string, error: VesselError, isSilent = false): void {
    if (this.#isEnding || this.#isDone || !this.#isHop(peer)) return;
    if (this.#track.tokens === this.#request.maxTokens) {
      // Only its last word is missing, and nothing else could be in it.
      this.#done('length');
      return;
    }
    if (finalCodes.has(error.code)) {
      this.fail(error);
      return;
    }
    if (!this.#lost.add(peer, error, isSilent)) return;
    this.#onProgress();
    if (this.#isStarted && !this.#isRecovering) void this.#recover();
  }

  /** Nothing moves at this hop: it hangs, or the one before it does not get through. The other is tried when replacing one did not help. */
  #loseStuck(index: number): void {
    const { hops } = this.#route;
    const before = hops.at(index - 1)!.provider;
    const peer = this.#accusers.has(before) ? before : hops[index]!.provider;
    this.#accusers.add(before);
    this.#lose(peer, new VesselError('deadline', 'A provider stopped working.'));
  }

  /** Opens new hops, reroutes the others. Resolves when all have answered, somebody is lost, or the time is over. */
  async #establish(withinMs: number): Promise<void> {
    const { hops, session } = this.#route;
    const route = hops.map(({ provider }) => provider);
    if (this.#epoch > 0 && this.#hops.get(this.#last)!.isNew) this.#hasNewLast = true;
    for (const [index, { provider }] of hops.entries()) {
      const state = this.#hops.get(provider)!;
      state.position = null;
      if (state.isNew) {
        state.opensAt = index === 0 && this.#epoch > 0 ? this.#track.end.position : 0;
        state.isNew = false;
        this.#send(provider, this.#openMessage(index, route));
      } else {
        // The new last hop draws on from what the asker has; what others computed beyond it is computed again.
        const { position, history } = this.#track.end;
        const truncate = this.#hasNewLast ? { truncate: { position, history: bytesToHex(history) } } : {};
        this.#send(provider, { type: 'reroute', session, epoch: this.#epoch, index, route, ...truncate });
      }
    }
    const hasAllAnswered = () => [...this.#hops.values()].every(({ position }) => position !== null);
    await this.#untilProgress(withinMs, () => this.#isEnding || hasAllAnswered() || this.#lost.size > 0);
    if (this.#isEnding) return;
    if (hasAllAnswered() || this.#lost.size > 0) return;
    for (const [peer, { position }] of this.#hops) {
      if (position === null) this.#lose(peer, new VesselError('deadline', 'The providers did not open the session in time.'));
    }
  }

  /** Nothing is worth waiting for any more. */
  get #isEnding(): boolean {
    return this.#isOver || this.#failure !== null;
  }

  /** Resolves when `isEnough`, looked at whenever a hop says something, or when the time is over. */
  async #untilProgress(withinMs: number, isEnough: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.clock.after(withinMs, resolve);
      this.#onProgress = () => {
        if (!isEnough()) return;
        cancel();
        resolve();
      };
      this.#onProgress();
    });
    this.#onProgress = () => {};
  }

  #openMessage(index: number, route: string[]): AskerMessage {
    const { model, hops, session } = this.#route;
    const { promptIds, maxTokens, stopIds, sampling } = this.#request;
    const { from, to } = hops[index]!;
    const payment = this.#paying?.offer(index);
    const isAgain = this.#epoch > 0;
    const ends = { promptIds, ...(isAgain ? { generated: [...this.#track.answer] } : {}) };
    return {
      type: 'open',
      version: protocolVersion,
      session,
      epoch: this.#epoch,
      model,
      from,
      to,
      index,
      route,
      capacity: this.#capacity,
      ...(payment ? { payment } : {}),
      ...(isAgain ? { again: { known: this.#known, paidFrom: this.#paying?.paidFrom(index) ?? 0 } } : {}),
      ...(index === 0 ? { first: ends } : {}),
      ...(index === hops.length - 1 ? { last: { ...ends, maxTokens, stopIds, sampling } } : {}),
    };
  }

  /** Positions that a new hop only rebuilds. Before the first token the prompt goes in as it did elsewhere. */
  get #known(): number {
    return this.#track.tokens === 0 ? 0 : this.#track.end.position;
  }

  /** Finds others for the lost hops and lets the answer go on. Fails the session when that cannot be done. */
  async #recover(): Promise<void> {
    this.#isRecovering = true;
    this.#stall.pause();
    try {
      while (this.#lost.size > 0 && !this.#isEnding) await this.#recoverOnce();
    } catch (thrown) {
      this.fail(toVesselError(thrown));
    } finally {
      this.#isRecovering = false;
      if (!this.#isEnding && !this.#isDone) this.#stall.moved();
    }
  }

  async #recoverOnce(): Promise<void> {
    const { clock } = this.#ports;
    const detectedMs = clock.now();
    const recovery = this.#newRecovery();
    this.#recoveries.push(recovery);
    if (++this.#fruitless > limits.maxFruitlessFailovers || this.#recoveries.length > limits.maxFailovers) {
      throw this.#lost.error;
    }
    const route = this.#lost.areBack ? null : await this.#findOthers();
    if (this.#isEnding) return;
    recovery.lost = this.#lost.peers;
    const matchedMs = clock.now();
    recovery.matchMs = matchedMs - detectedMs;
    this.#epoch++;
    if (route) this.#take(route);
    this.#lost.clear();
    await this.#establish(route ? limits.openAgainMs : limits.rerouteMs);
    recovery.openMs = clock.now() - matchedMs;
    if (this.#lost.size > 0 || this.#isEnding) return;
    this.#resume();
    this.#awaitMove(recovery);
    if (route) this.#announce();
  }

  #newRecovery(): Recovery {
    const { peers, error, silentMs } = this.#lost;
    return {
      lost: peers,
      code: error.code,
      tokens: this.#track.tokens,
      silentMs,
      matchMs: 0,
      openMs: 0,
      rebuildMs: null,
    };
  }

  /** A route without the lost hops; null: all of them are heard again, or the session is over. */
  async #findOthers(): Promise<MatchedRoute | null> {
    const { clock } = this.#ports;
    const untilMs = clock.now() + (this.#request.recoverMs ?? limits.recoverMs);
    for (;;) {
      const outcome = await this.#seek(untilMs - clock.now());
      if (!(outcome instanceof VesselError)) return outcome;
      if (!worthAnotherTry.has(outcome.code) || clock.now() + retryMs > untilMs) throw this.#lost.errorWithoutOthers(outcome);
      await this.#untilProgress(retryMs, () => this.#isEnding || this.#lost.areBack);
    }
  }

  /** Asks the relay once, again whenever more hops are lost meanwhile. */
  async #seek(withinMs: number): Promise<MatchedRoute | VesselError | null> {
    const lost = this.#lost.size;
    const kept = this.#route.hops
      .filter(({ provider }) => !this.#lost.has(provider))
      .map(({ provider, from, to }) => ({ provider, from, to }));
    const abort = new AbortController();
    let outcome: MatchedRoute | VesselError | null = null;
    const again = { session: this.id, kept };
    const request = { model: this.#route.model, tokens: this.#capacity, avoid: this.#lost.avoid(), again };
    this.#ports
      .match(request, abort.signal)
      .then(
        (route) => {
          outcome = route;
        },
        (thrown) => {
          outcome = toVesselError(thrown);
        },
      )
      .finally(() => this.#onProgress());
    const hasLostMore = () => this.#lost.size > lost;
    await this.#untilProgress(withinMs, () => this.#isEnding || outcome !== null || this.#lost.areBack || hasLostMore());
    abort.abort();
    if (this.#isEnding) return null;
    if (hasLostMore()) return this.#seek(withinMs);
    if (outcome && !((outcome as unknown) instanceof VesselError)) return outcome;
    if (this.#lost.areBack) return null;
    return outcome ?? new VesselError('deadline', 'The relay found nobody in time.');
  }

  /** The new route: hops that stay keep their state, those that are left out are told. */
  #take(route: MatchedRoute): void {
    const before = this.#hops;
    this.#hops = new Map(
      route.hops.map(({ provider }) => {
        const stays = before.get(provider);
        const isNew = !stays || this.#lost.has(provider);
        return [provider, { position: null, isNew, opensAt: 0 }];
      }),
    );
    for (const peer of before.keys()) {
      if (this.#hops.has(peer)) continue;
      void this.#pool.send(peer, { type: 'close', session: this.id }).catch(() => undefined);
    }
    // A hop 1 that takes over begins by itself.
    const first = route.hops[0]!.provider;
    if (this.#hops.get(first)!.isNew) this.#startedPeer = first;
    // The relay may not know again a hop that stays.
    const known = new Map(this.#route.hops.map((hop) => [hop.provider, hop]));
    const hops = route.hops.map((hop) => (this.#hops.get(hop.provider)!.isNew ? hop : (known.get(hop.provider) ?? hop)));
    this.#route = { ...this.#route, hops };
    this.#paying?.replace(hops, this.#epoch, this.#known);
  }

  /** Every hop sends the next one what it lacks. */
  #resume(): void {
    const { hops, session } = this.#route;
    for (const [index, { provider }] of hops.entries()) {
      const isLast = index === hops.length - 1;
      const { position } = this.#hops.get(hops[(index + 1) % hops.length]!.provider)!;
      const from = isLast ? Math.max(position!, this.#request.promptIds.length) : position!;
      const prior = bytesToHex(this.#track.historyAt(from));
      if (hops.length > 1) this.#send(provider, { type: 'resume', session, epoch: this.#epoch, from, prior });
    }
    this.#paying?.go();
    if (this.#isStarted) this.#startFirst();
  }

  #startFirst(): void {
    this.#stall.moved();
    if (this.#startedPeer === this.#first) return;
    this.#startedPeer = this.#first;
    this.#send(this.#first, { type: 'start', session: this.id });
  }

  /** Measures until the answer moves again. */
  #awaitMove(recovery: Recovery): void {
    const sinceMs = this.#ports.clock.now();
    this.#onMove = () => {
      recovery.rebuildMs = this.#ports.clock.now() - sinceMs;
    };
  }

  /** The answer goes on. */
  #moved(): void {
    this.#fruitless = 0;
    this.#accusers.clear();
    this.#stall.moved();
    this.#onMove();
    this.#onMove = () => {};
  }

  /** Looks for hops that have fallen silent. */
  #watch(): void {
    const { clock } = this.#ports;
    const dueMs = clock.now() + watchMs;
    this.#stopWatch = clock.after(watchMs, () => {
      if (this.#isEnding || this.#isDone) return;
      // What came meanwhile has not been read yet.
      if (clock.now() - dueMs < lateMs) {
        for (const [peer, { position }] of this.#hops) {
          const pulse = this.#pool.pulse(peer);
          if (position === null || pulse.silentMs <= pulse.allowedMs) continue;
          this.#lose(peer, new VesselError('provider_lost', 'A provider fell silent.'), true);
        }
      }
      this.#watch();
    });
  }

  async #settle(): Promise<AnswerPaid | undefined> {
    this.#isSettled = true;
    const haveAllEnded = () => [...this.#hops.keys()].every((peer) => this.#ended.has(peer));
    await this.#untilProgress(closedWaitMs, haveAllEnded);
    return this.#paying?.finish();
  }

  #createPaying(): SessionPaying | null {
    const { payer, promptIds, maxTokens } = this.#request;
    const { terms } = this.#ports;
    if (!payer || !terms || quoteRoute(this.#route, promptIds.length, maxTokens) === 0n) return null;
    return new SessionPaying({
      route: this.#route,
      terms,
      payer,
      promptIds,
      maxTokens,
      epoch: 0,
      send: (peer, payment) => this.#send(peer, { type: 'pay', session: this.id, payment }),
      onFailed: (error) => this.fail(error),
    });
  }

  #sendClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stall.pause();
    this.#stopWatch();
    this.#onProgress();
    for (const peer of this.#hops.keys()) {
      void this.#pool.send(peer, { type: 'close', session: this.id }).catch(() => undefined);
    }
  }

  #receive(peer: string, message: SessionMessage): void {
    if (!this.#isHop(peer)) return;
    const isRunning = !this.#isDone && !this.#isOver;
    switch (message.type) {
      case 'opened':
        if (message.epoch === this.#epoch) this.#answered(peer, this.#hops.get(peer)!.opensAt);
        return;
      case 'rerouted':
        if (message.epoch === this.#epoch) this.#answered(peer, message.position);
        return;
      case 'here':
        this.#stall.told(
          this.#route.hops.findIndex(({ provider }) => provider === peer),
          message,
          this.#route.hops.length,
        );
        return;
      case 'fault':
        if (isRunning && message.epoch === this.#epoch) this.#accused(peer, message);
        return;
      case 'progress':
        // Only real progress is a sign of life.
        if (!isRunning || peer !== this.#first || message.position <= this.#prefilled) return;
        this.#prefilled = message.position;
        this.#stall.moved();
        return;
      case 'token':
        if (isRunning && peer === this.#last) this.#token(message);
        return;
      case 'done':
        if (peer === this.#last && isRunning) this.#done(message.reason);
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
        else this.#lose(peer, new VesselError(message.code, message.message));
        return;
      case 'service-result':
        return;
      default:
        message satisfies never;
    }
  }

  #done(reason: 'stop' | 'length'): void {
    this.#moved();
    this.#isDone = true;
    this.#stall.pause();
    this.#stopWatch();
    this.#events.push({ type: 'done', reason });
  }

  #answered(peer: string, position: number): void {
    this.#hops.get(peer)!.position = position;
    this.#onProgress();
  }

  #token(message: Extract<HopMessage, { type: 'token' }>): void {
    if (message.index !== this.#track.tokens || message.index >= this.#request.maxTokens) {
      const error = new VesselError('bad_message', 'The last hop miscounted its tokens.');
      if (this.#track.tokens === this.#request.maxTokens) this.fail(error);
      else this.#lose(this.#last, error);
      return;
    }
    this.#hasNewLast = false;
    this.#track.push(message.id);
    this.#paying?.token(message.id);
    this.#moved();
    this.#events.push({
      type: 'token',
      index: message.index,
      id: message.id,
      logprob: message.logprob,
      top: message.top.map(([id, logprob]) => ({ id, logprob })),
    });
  }

  /**
   * A hop cannot go on because of a neighbour, or because what it sent was refused. Whoever finds fault once more, before the answer has
   * moved, with somebody who is heard here, goes instead.
   */
  #accused(by: string, { peer, code }: Extract<HopMessage, { type: 'fault' }>): void {
    const isHeard = this.#pool.pulse(peer).silentMs < limits.silentMs;
    const culprit = peer !== by && isHeard && this.#accusers.has(by) ? by : peer;
    if (peer !== by) this.#accusers.add(by);
    const known = code === 'internal' ? 'provider_lost' : code;
    this.#lose(culprit, new VesselError(known, `A provider found fault with another: ${code}.`));
  }
}
