/** All answers of one request: a turn at the gate, one session per prompt and choice, merged as they come. */

import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import type { AskEvent, AskIds, AskIdsFunction } from '../../../shared/protocol/asking.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { limits } from '../../../shared/protocol/limits.ts';
import type { Sampling } from '../../../shared/protocol/sampling.ts';
import type { Caller, HttpDeps, ModelInfo, RequestRecord } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { WorkGate } from '../limits/work-gate.ts';
import type { Bill } from '../payment/bill.ts';
import type { Checkout } from '../payment/cashier.ts';
import { RequestError } from '../request-error.ts';
import { merge } from './merge.ts';
import { type AnswerEvent, runAnswer } from './run-answer.ts';

export interface AnswersRequest {
  model: ModelInfo;
  codec: TextCodec;
  prompts: number[][];
  /** Answers per prompt. Choice `prompt * n + i` is the i-th answer to that prompt. */
  n: number;
  /** Null: the rest of the context, at most `defaultMaxTokens`. */
  maxTokens: number | null;
  sampling: Sampling;
  stops: string[];
  ignoreEos: boolean;
  continues: boolean;
}

/** A place at the gate, and the money for what is computed there. */
export interface Admission {
  leave: () => void;
  /** null in a free network. */
  bill: Bill | null;
}

export interface AnswersContext {
  deps: HttpDeps;
  admission: Promise<Admission>;
  record: RequestRecord;
  /** Fires when the client is gone. */
  signal: AbortSignal;
}

/** @throws RequestError `context_exceeded` or `bad_request` before anything is asked of the network */
export function planAsks(request: AnswersRequest): Omit<AskIds, 'signal'>[] {
  const { model, prompts, n, sampling } = request;
  if (prompts.length * n > httpLimits.maxAnswers) {
    throw new RequestError('bad_request', `At most ${httpLimits.maxAnswers} answers (prompts × n) per request.`, { param: 'n' });
  }
  return prompts.flatMap((promptIds) => {
    const maxTokens = answerRoom(promptIds.length, Math.min(model.context, limits.maxContext), request.maxTokens);
    return Array.from({ length: n }, (_, choice) => ({
      model: model.id,
      promptIds,
      maxTokens,
      sampling: { ...sampling, choice },
      stopIds: request.ignoreEos ? [] : model.stopIds,
    }));
  });
}

function answerRoom(promptTokens: number, context: number, wanted: number | null): number {
  const room = context - promptTokens;
  const needed = wanted ?? 1;
  if (needed > room) {
    throw new RequestError(
      'context_exceeded',
      `The model's context is ${context} tokens; the prompt has ${promptTokens} and the answer may take ${needed}. Shorten the prompt or lower max_tokens.`,
      { param: promptTokens >= context ? 'prompt' : 'max_tokens' },
    );
  }
  return wanted ?? Math.min(room, httpLimits.defaultMaxTokens);
}

/** Waits for a place, then holds the money: nobody's money waits in line. */
export async function admit(
  gate: WorkGate,
  caller: Caller,
  { places, checkout, signal }: { places: number; checkout: Checkout | null; signal: AbortSignal },
): Promise<Admission> {
  const leave = await gate.enter(caller, places, signal);
  try {
    return { leave, bill: checkout && (await checkout.open()) };
  } catch (thrown) {
    leave();
    throw thrown;
  }
}

export async function* runAnswers(
  request: AnswersRequest,
  asks: Omit<AskIds, 'signal'>[],
  { deps, admission, record, signal }: AnswersContext,
): AsyncGenerator<AnswerEvent, void, void> {
  const { leave, bill } = await admission;
  const scope = new AbortController();
  const sessionSignal = AbortSignal.any([signal, scope.signal]);
  const { askIds, ended } = watched(deps.askIds);
  let isComplete = false;
  try {
    signal.throwIfAborted();
    yield* merge(
      asks.map((ask, index) =>
        runAnswer({
          index,
          askIds,
          ask: { ...ask, signal: sessionSignal, ...(bill && { payer: bill.payer(index) }) },
          codec: request.codec,
          stops: request.stops,
          continues: request.continues,
          clock: deps.clock,
          onToken: () => {
            record.completionTokens++;
            deps.metrics.tokens.inc({ kind: 'completion' });
          },
          onFirstToken: (ms) => deps.metrics.firstTokenSeconds.observe(ms / 1000),
        }),
      ),
    );
    isComplete = true;
  } catch (error) {
    throw signal.aborted ? new VesselError('cancelled', undefined, { cause: error }) : error;
  } finally {
    // One answer failed or the reader left: the others have nobody to go to.
    if (!isComplete) scope.abort();
    leave();
    if (bill) {
      // What a session promised is known when it has ended, and an abort ends it.
      await ended();
      await bill.settle();
    }
  }
}

/** The same sessions, and a way to wait until all of them are over. */
function watched(askIds: AskIdsFunction): { askIds: AskIdsFunction; ended: () => Promise<unknown> } {
  const ends: Promise<void>[] = [];
  return {
    ended: () => Promise.all(ends),
    askIds: async function* (request): AsyncGenerator<AskEvent> {
      const end = Promise.withResolvers<void>();
      ends.push(end.promise);
      try {
        yield* askIds(request);
      } finally {
        end.resolve();
      }
    },
  };
}
