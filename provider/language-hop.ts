/**
 * The work of a hop: prompt in, hidden states on, token back. Frames are checked against the session when they arrive
 * (SPEC FR7–FR16), computed in order on the device's queue, and handed to the next hop.
 */
import { decodeF16 } from '../shared/models/float16.ts';
import { equalBytes, hexToBytes } from '../shared/protocol/bytes.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { encodeFrame, type Frame, type HiddenFrame } from '../shared/protocol/frame.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { AskerMessage } from '../shared/protocol/order-messages.ts';
import type { HopSession } from './hop-session.ts';
import type { ProviderLinks } from './provider-ports.ts';
import { checkOutput } from './runtime/check-output.ts';
import type { StepInput } from './runtime/shard-runtime.ts';
import type { WorkQueue } from './work-queue.ts';

type RerouteMessage = Extract<AskerMessage, { type: 'reroute' }>;

interface Step {
  input: StepInput;
  position: number;
  count: number;
  prior: Uint8Array;
  after: Uint8Array;
  /** The positions come after the prompt. */
  isOutput: boolean;
  endOfPrompt: boolean;
}

export class LanguageHop {
  readonly #links: ProviderLinks;
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #onFailed: (session: HopSession, error: VesselError) => void;
  readonly #onFault: (session: HopSession, epoch: number, peer: string, error: VesselError) => void;
  readonly #onToken: (stepMs: number) => void;

  constructor(fields: {
    links: ProviderLinks;
    queue: WorkQueue;
    clock: Clock;
    onFailed: (session: HopSession, error: VesselError) => void;
    /** The session cannot go on because of a neighbour. */
    onFault: (session: HopSession, epoch: number, peer: string, error: VesselError) => void;
    onToken: (stepMs: number) => void;
  }) {
    this.#links = fields.links;
    this.#queue = fields.queue;
    this.#clock = fields.clock;
    this.#onFailed = fields.onFailed;
    this.#onFault = fields.onFault;
    this.#onToken = fields.onToken;
  }

  /** Runs all that is known through hop 1, chunk by chunk, so that other sessions' tokens go in between. */
  async prefill(session: HopSession): Promise<void> {
    const { promptIds, generated = [] } = session.open.first!;
    const ids = Int32Array.from([...promptIds, ...generated]);
    let prior = emptyHistory;
    // All of it is accepted now: a token that comes meanwhile follows it.
    if (!session.open.again) {
      session.promptEnd = promptIds.length;
      this.#advance(session, ids.length, extendHistory(prior, ids));
    }
    for (let at = 0; at < ids.length && !session.closed; ) {
      const isOutput = at >= promptIds.length;
      const end = Math.min(at + limits.prefillChunk, isOutput ? ids.length : promptIds.length);
      const chunk = ids.slice(at, end);
      const after = extendHistory(prior, chunk);
      const input = { kind: 'tokens', ids: chunk } as const;
      const endOfPrompt = end === promptIds.length;
      await this.#take(session, { input, position: at, count: chunk.length, prior, after, isOutput, endOfPrompt });
      prior = after;
      if (!session.closed) this.#links.reply(session.order, { type: 'progress', session: session.id, position: end });
      at = end;
    }
  }

  /** Checks a frame from `peer` and puts its work in the queue. Throws when the frame does not belong here; state is then untouched. */
  accept(session: HopSession, peer: string, frame: Frame): void {
    // Under way when the route changed, perhaps from a hop that is none any more: what this hop lacks is sent again.
    if (frame.epoch < session.epoch) return;
    // First of all: who is not the neighbour learns nothing about the session.
    if (peer !== (frame.kind === 'token' ? session.lastHop : session.upstream)) throw new VesselError('wrong_peer');
    if (frame.kind === 'token' && !session.isFirst) throw new VesselError('wrong_peer');
    if (frame.epoch > session.epoch) throw new VesselError('wrong_epoch');
    if (session.isDone) throw new VesselError('wrong_position', 'The answer is over.');
    if (frame.position !== session.position) throw new VesselError('wrong_position');
    if (!equalBytes(frame.prior, session.history)) throw new VesselError('wrong_history');
    const count = frame.kind === 'token' ? 1 : frame.count;
    if (session.position + count > session.open.capacity) throw new VesselError('context_exceeded');
    const { position, prior, after } = frame;
    if (frame.kind === 'hidden') {
      const { hidden } = session.shard.manifest.architecture;
      if (frame.width !== hidden) throw new VesselError('bad_message', `Frames of this model are ${hidden} wide.`);
      requirePlace(session, frame);
      requireHistory(session, frame);
      const values = hiddenValues(frame);
      // Here, so that the hop that computed it is the one that is told.
      checkOutput(values);
      const isOutput = session.promptDone;
      this.#advance(session, count, after);
      const { endOfPrompt } = frame;
      if (endOfPrompt) session.promptEnd = session.position;
      void this.#take(session, { input: { kind: 'hidden', values }, position, count, prior, after, isOutput, endOfPrompt });
    } else {
      // A hop 1 that took another's place may be given tokens that came while it was on its way.
      const hasPrompt = session.promptEnd !== null && (session.open.again || session.kept!.end >= session.promptEnd);
      if (!hasPrompt) throw new VesselError('wrong_position', 'The prompt has not gone in yet.');
      if (frame.token >= session.shard.manifest.architecture.vocab) throw new VesselError('bad_message', 'No such token.');
      if (!equalBytes(extendHistory(session.history, [frame.token]), after)) throw new VesselError('wrong_history');
      this.#advance(session, 1, after);
      const ids = Int32Array.of(frame.token);
      void this.#take(session, {
        input: { kind: 'tokens', ids },
        position,
        count,
        prior,
        after,
        isOutput: true,
        endOfPrompt: false,
      });
    }
  }

  /**
   * The route has changed: sends nothing until `resume`. With `truncate`, resolves when every step that had been taken is done and
   * what lies beyond is forgotten.
   */
  async reroute(session: HopSession, { epoch, index, route, truncate }: RerouteMessage): Promise<void> {
    session.epoch = epoch;
    session.index = index;
    session.route = route;
    session.flow = null;
    session.touchedMs = this.#clock.now();
    if (!truncate || session.position <= truncate.position) return;
    await session.tail;
    if (session.closed || session.epoch !== epoch) return;
    await this.#queue.run(async () => session.cache.truncate(truncate.position));
    session.position = truncate.position;
    session.computed = truncate.position;
    session.history = hexToBytes(truncate.history)!;
    session.kept?.truncate(session.position, session.history);
  }

  /** Sends the next hop what it lacks, and goes on from there. */
  resume(session: HopSession, from: number, prior: Uint8Array): void {
    session.kept?.learn(from, prior);
    session.flow = { from, isSending: false };
    session.touchedMs = this.#clock.now();
    void this.#send(session);
  }

  #advance(session: HopSession, count: number, after: Uint8Array): void {
    session.position += count;
    session.history = after;
    session.touchedMs = this.#clock.now();
  }

  /** Steps of one session run in their order. Resolves when this one is done, well or not. */
  #take(session: HopSession, step: Step): Promise<void> {
    session.tail = session.tail.then(() => this.#compute(session, step));
    return session.tail;
  }

  async #compute(session: HopSession, step: Step): Promise<void> {
    if (session.closed) return;
    const { position, count, after, isOutput, endOfPrompt } = step;
    const end = position + count;
    // What is computed again, after a truncation or in place of a hop that was lost, is not paid again.
    const paid = Math.max(0, end - Math.max(position, session.meteredTo));
    session.meteredTo = Math.max(session.meteredTo, end);
    try {
      if (paid > 0) await session.meter?.cover(paid, isOutput);
      const { result, ms } = await this.#queue.run(async () =>
        session.closed ? null : session.shard.runtime.step(session.cache, step.input),
      );
      if (result === null || session.closed) return;
      session.computeMs += ms;
      session.touchedMs = this.#clock.now();
      session.computed = end;
      if (paid > 0) session.meter?.computed(paid, isOutput, endOfPrompt, after);
      if (isOutput && count === 1) this.#onToken(ms);
      if (result.kind === 'logits') {
        if (end >= session.known) this.#draw(session, result.values, end, after);
        return;
      }
      session.kept!.append(result.values, after, endOfPrompt);
      // Whoever sends waits for the transport: the next step does not wait for it.
      void this.#send(session);
    } catch (thrown) {
      if (!session.closed) this.#onFailed(session, toVesselError(thrown));
    }
  }

  /** Last hop: draws the token for `position`, tells the asker, and keeps it for hop 1 unless the answer is over. */
  #draw(session: HopSession, logits: Float32Array, position: number, history: Uint8Array): void {
    const { maxTokens, stopIds } = session.open.last!;
    const sampler = session.sampler!;
    const drawn = sampler.sample(logits, position);
    if (stopIds.includes(drawn.id)) {
      session.isDone = true;
      this.#links.reply(session.order, { type: 'done', session: session.id, reason: 'stop' });
      return;
    }
    sampler.accept(drawn.id);
    const index = session.generated++;
    this.#links.reply(session.order, {
      type: 'token',
      session: session.id,
      index,
      id: drawn.id,
      logprob: drawn.logprob,
      top: drawn.top.map(({ id, logprob }) => [id, logprob]),
    });
    if (session.generated >= maxTokens) {
      session.isDone = true;
      this.#links.reply(session.order, { type: 'done', session: session.id, reason: 'length' });
      return;
    }
    const after = extendHistory(history, [drawn.id]);
    session.expected = after;
    if (session.isFirst) {
      this.#advance(session, 1, after);
      const input = { kind: 'tokens', ids: Int32Array.of(drawn.id) } as const;
      void this.#take(session, { input, position, count: 1, prior: history, after, isOutput: true, endOfPrompt: false });
      return;
    }
    session.drawn.push({ id: drawn.id, prior: history, after });
    void this.#send(session);
  }

  /** Sends what there is, in order, as long as the route stays. */
  async #send(session: HopSession): Promise<void> {
    const { flow, epoch, downstream } = session;
    if (!flow || flow.isSending) return;
    flow.isSending = true;
    try {
      while (session.flow === flow && !session.closed) {
        const next = session.kept ? rowsAt(session, flow.from) : tokenAt(session, flow.from);
        if (!next) break;
        flow.from += next.count;
        await this.#links.sendFrame(downstream, next.bytes);
      }
    } catch (thrown) {
      if (!session.closed && session.flow === flow) this.#onFault(session, epoch, downstream, toVesselError(thrown));
    } finally {
      flow.isSending = false;
    }
  }
}

/** The next rows as a frame. Rows leave as f32 whatever the arithmetic is (design M3), so nothing is lost between hops. */
function rowsAt(session: HopSession, from: number): { bytes: Uint8Array<ArrayBuffer>; count: number } | null {
  const rows = session.kept!.frameAt(from);
  if (!rows) return null;
  const { values, ...fields } = rows;
  const bytes = encodeFrame({
    kind: 'hidden',
    session: session.id,
    epoch: session.epoch,
    ...fields,
    dtype: 'f32',
    width: session.shard.manifest.architecture.hidden,
    payload: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  if (session.promptEnd !== null && from >= session.promptEnd) {
    session.decodeBytes += bytes.byteLength;
    session.decodeFrames++;
  }
  return { bytes, count: rows.count };
}

function tokenAt(session: HopSession, from: number): { bytes: Uint8Array<ArrayBuffer>; count: number } | null {
  const token = session.drawn[from - session.promptEnd!];
  if (!token) return null;
  const { id, prior, after } = token;
  const { epoch } = session;
  const bytes = encodeFrame({ kind: 'token', session: session.id, epoch, position: from, prior, after, token: id });
  return { bytes, count: 1 };
}

/**
 * A prompt ends once, on the last hop where the asker said; after it every frame is one generated token, but for those that
 * the hop before kept for one that took another's place.
 */
function requirePlace(session: HopSession, frame: HiddenFrame): void {
  const end = frame.position + frame.count;
  if (session.promptDone) {
    if (frame.endOfPrompt || (frame.count !== 1 && !session.open.again))
      throw new VesselError('wrong_position', 'After the prompt, rows come one by one.');
    return;
  }
  const promptEnd = session.open.last?.promptIds.length;
  if (promptEnd === undefined) return;
  if (end > promptEnd || frame.endOfPrompt !== (end === promptEnd)) {
    throw new VesselError('wrong_position', 'The end of the prompt is not where the asker said.');
  }
}

/** The last hop knows prompt and answer, so it can say that the rows came from other tokens. */
function requireHistory(session: HopSession, frame: HiddenFrame): void {
  if (!session.isLast) return;
  const { generated, drawn } = session;
  const ahead = frame.position + frame.count - session.promptEnd!;
  if (ahead < 0) return;
  const expected = ahead === generated ? session.expected : drawn[ahead]?.prior;
  if (!expected || !equalBytes(frame.after, expected)) throw new VesselError('wrong_history');
}

/** Copies the payload out of the received bytes, where it need not be aligned. */
function hiddenValues(frame: HiddenFrame): Float32Array {
  const bytes = frame.payload.slice();
  if (frame.dtype === 'f32') return new Float32Array(bytes.buffer);
  const values = new Float32Array(bytes.byteLength / 2);
  decodeF16(new Uint16Array(bytes.buffer), values);
  return values;
}
