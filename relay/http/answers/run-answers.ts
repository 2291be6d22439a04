/** All answers of one request: a turn at the gate, one session per prompt and choice, merged as they come. */

import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import type { AskIds } from '../../../shared/protocol/asking.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { limits } from '../../../shared/protocol/limits.ts';
import type { Sampling } from '../../../shared/protocol/sampling.ts';
import type { Caller, HttpDeps, ModelInfo, RequestRecord } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { WorkGate } from '../limits/work-gate.ts';
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

export interface AnswersContext {
  deps: HttpDeps;
  gate: WorkGate;
  caller: Caller;
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

export async function* runAnswers(
  request: AnswersRequest,
  asks: Omit<AskIds, 'signal'>[],
  { deps, gate, caller, record, signal }: AnswersContext,
): AsyncGenerator<AnswerEvent, void, void> {
  const leave = await gate.enter(caller, asks.length, signal);
  const scope = new AbortController();
  const sessionSignal = AbortSignal.any([signal, scope.signal]);
  let isComplete = false;
  try {
    signal.throwIfAborted();
    yield* merge(
      asks.map((ask, index) =>
        runAnswer({
          index,
          askIds: deps.askIds,
          ask: { ...ask, signal: sessionSignal },
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
  }
}
