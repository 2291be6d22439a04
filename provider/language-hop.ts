/**
 * The work of a hop: prompt in, hidden states on, token back. Frames are checked against the session when they arrive
 * (SPEC FR7–FR16), computed in order on the device's queue, and handed to the next hop.
 */
import { decodeF16 } from '../shared/models/float16.ts';
import { equalBytes } from '../shared/protocol/bytes.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../shared/protocol/errors.ts';
import { encodeFrame, type Frame, type HiddenFrame } from '../shared/protocol/frame.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { HopSession } from './hop-session.ts';
import type { ProviderLinks } from './provider-ports.ts';
import { checkOutput } from './runtime/check-output.ts';
import type { StepInput } from './runtime/shard-runtime.ts';
import type { WorkQueue } from './work-queue.ts';

/** What follows a step: nothing more than passing rows on, a first draw at the end of the prompt, or a draw for each new token. */
type StepRole = 'prompt' | 'end-of-prompt' | 'token';

export class LanguageHop {
  readonly #links: ProviderLinks;
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #onFailed: (session: HopSession, error: VesselError) => void;
  readonly #onToken: (stepMs: number) => void;

  constructor(fields: {
    links: ProviderLinks;
    queue: WorkQueue;
    clock: Clock;
    onFailed: (session: HopSession, error: VesselError) => void;
    onToken: (stepMs: number) => void;
  }) {
    this.#links = fields.links;
    this.#queue = fields.queue;
    this.#clock = fields.clock;
    this.#onFailed = fields.onFailed;
    this.#onToken = fields.onToken;
  }

  /** Runs the whole prompt through hop 1, chunk by chunk, so that other sessions' tokens go in between. */
  async prefill(session: HopSession): Promise<void> {
    const ids = Int32Array.from(session.open.first!.promptIds);
    for (let at = 0; at < ids.length && !session.closed; at += limits.prefillChunk) {
      const chunk = ids.subarray(at, Math.min(at + limits.prefillChunk, ids.length));
      const prior = session.history;
      session.history = extendHistory(prior, chunk);
      session.position += chunk.length;
      session.promptDone = session.position === ids.length;
      const role = session.promptDone ? 'end-of-prompt' : 'prompt';
      await this.#compute(session, { kind: 'tokens', ids: chunk.slice() }, at, prior, session.history, role);
      if (!session.closed) {
        this.#links.reply(session.order, { type: 'progress', session: session.id, position: session.position });
      }
    }
  }

  /** Checks a frame from `peer` and puts its work in the queue. Throws when the frame does not belong here; state is then untouched. */
  accept(session: HopSession, peer: string, frame: Frame): void {
    // First of all: who is not the neighbour learns nothing about the session.
    if (peer !== (frame.kind === 'token' ? session.lastHop : session.upstream)) throw new VesselError('wrong_peer');
    if (frame.kind === 'token' && !session.isFirst) throw new VesselError('wrong_peer');
    if (frame.epoch !== session.open.epoch) throw new VesselError('wrong_epoch');
    if (session.isDone) throw new VesselError('wrong_position', 'The answer is over.');
    if (frame.position !== session.position) throw new VesselError('wrong_position');
    if (!equalBytes(frame.prior, session.history)) throw new VesselError('wrong_history');
    const count = frame.kind === 'token' ? 1 : frame.count;
    if (session.position + count > session.open.capacity) throw new VesselError('context_exceeded');
    if (frame.kind === 'hidden') {
      const { hidden } = session.shard.manifest.architecture;
      if (frame.width !== hidden) throw new VesselError('bad_message', `Frames of this model are ${hidden} wide.`);
      requirePlace(session, frame);
      requireHistory(session, frame);
      const values = hiddenValues(frame);
      // Here, so that the hop that computed it is the one that is told.
      checkOutput(values);
      session.expected = null;
      this.#advance(session, count, frame.after);
      const role = frame.endOfPrompt ? 'end-of-prompt' : session.promptDone ? 'token' : 'prompt';
      session.promptDone ||= frame.endOfPrompt;
      void this.#compute(session, { kind: 'hidden', values }, frame.position, frame.prior, frame.after, role);
    } else {
      if (!session.promptDone) throw new VesselError('wrong_position', 'The prompt has not gone in yet.');
      if (frame.token >= session.shard.manifest.architecture.vocab) throw new VesselError('bad_message', 'No such token.');
      const after = extendHistory(session.history, [frame.token]);
      if (!equalBytes(after, frame.after)) throw new VesselError('wrong_history');
      this.#advance(session, 1, after);
      const ids = Int32Array.of(frame.token);
      void this.#compute(session, { kind: 'tokens', ids }, frame.position, frame.prior, after, 'token');
    }
  }

  #advance(session: HopSession, count: number, after: Uint8Array): void {
    session.position += count;
    session.history = after;
    session.touchedMs = this.#clock.now();
  }

  async #compute(
    session: HopSession,
    input: StepInput,
    position: number,
    prior: Uint8Array,
    after: Uint8Array,
    role: StepRole,
  ): Promise<void> {
    const { hidden } = session.shard.manifest.architecture;
    const count = input.kind === 'tokens' ? input.ids.length : input.values.length / hidden;
    try {
      if (session.meter) await session.meter.cover(count, role === 'token');
      const { result, ms } = await this.#queue.run(async () =>
        session.closed ? null : session.shard.runtime.step(session.cache, input),
      );
      if (result === null || session.closed) return;
      session.computeMs += ms;
      session.touchedMs = this.#clock.now();
      session.meter?.computed(count, role === 'token', role === 'end-of-prompt', after);
      if (role === 'token') this.#onToken(ms);
      if (result.kind === 'logits') {
        if (role !== 'prompt') await this.#draw(session, result.values, after);
        return;
      }
      // The residual stream is f32 whatever the arithmetic is (design M3), so nothing is lost between hops.
      const dtype = 'f32';
      const bytes = encodeFrame({
        kind: 'hidden',
        session: session.id,
        epoch: session.open.epoch,
        position,
        prior,
        after,
        dtype,
        count,
        width: hidden,
        endOfPrompt: role === 'end-of-prompt',
        payload: new Uint8Array(result.values.buffer, result.values.byteOffset, result.values.byteLength),
      });
      if (role === 'token') {
        session.decodeBytes += bytes.byteLength;
        session.decodeFrames++;
      }
      await this.#links.sendFrame(session.downstream, bytes);
    } catch (thrown) {
      if (!session.closed) this.#onFailed(session, toVesselError(thrown));
    }
  }

  /** Last hop: draws a token, tells the asker, and sends the token to hop 1 unless the answer is over. */
  async #draw(session: HopSession, logits: Float32Array, history: Uint8Array): Promise<void> {
    const { maxTokens, stopIds } = session.open.last!;
    const sampler = session.sampler!;
    const drawn = sampler.sample(logits, session.position);
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
      const position = session.position;
      this.#advance(session, 1, after);
      void this.#compute(session, { kind: 'tokens', ids: Int32Array.of(drawn.id) }, position, history, after, 'token');
      return;
    }
    await this.#links.sendFrame(
      session.downstream,
      encodeFrame({
        kind: 'token',
        session: session.id,
        epoch: session.open.epoch,
        position: session.position,
        prior: history,
        after,
        token: drawn.id,
      }),
    );
  }
}

/** A prompt ends once, on the last hop where the asker said; after it every frame is one generated token. */
function requirePlace(session: HopSession, frame: HiddenFrame): void {
  if (session.promptDone) {
    if (frame.count !== 1 || frame.endOfPrompt)
      throw new VesselError('wrong_position', 'After the prompt, rows come one by one.');
    return;
  }
  const promptEnd = session.open.last?.promptIds.length;
  if (promptEnd === undefined) return;
  const end = frame.position + frame.count;
  if (end > promptEnd || frame.endOfPrompt !== (end === promptEnd)) {
    throw new VesselError('wrong_position', 'The end of the prompt is not where the asker said.');
  }
}

/** The last hop knows prompt and answer, so it can say that the rows came from other tokens. */
function requireHistory(session: HopSession, frame: HiddenFrame): void {
  const { last } = session.open;
  if (!last || (!session.promptDone && !frame.endOfPrompt)) return;
  const expected = session.promptDone ? session.expected : extendHistory(emptyHistory, last.promptIds);
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
