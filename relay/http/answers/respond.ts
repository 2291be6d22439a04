/** Turns the answers of one request into its response, streamed or whole. */
import type { AskIds } from '../../../shared/protocol/asking.ts';
import type { VesselError } from '../../../shared/protocol/errors.ts';
import type { HttpContext, HttpDeps } from '../http-deps.ts';
import type { WorkGate } from '../limits/work-gate.ts';
import type { AnswerFormat } from './answer-format.ts';
import type { AnswerOutcome, Usage, VesselReport } from './answer-outcome.ts';
import type { AnswerParams } from './answer-params.ts';
import { eventStreamResponse } from './event-stream.ts';
import type { AnswerEvent, FinishReason, PlacedToken } from './run-answer.ts';
import { type AnswersRequest, planAsks, runAnswers } from './run-answers.ts';

/** What every piece of a response repeats. */
interface Frame {
  id: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** @throws VesselError for everything that fails before a status line had to be sent */
export async function respond(
  c: HttpContext,
  { deps, gate }: { deps: HttpDeps; gate: WorkGate },
  { request, params, format }: { request: AnswersRequest; params: AnswerParams; format: AnswerFormat },
): Promise<Response> {
  const record = c.get('record');
  const asks = planAsks(request);
  const promptTokens = request.prompts.reduce((sum, ids) => sum + ids.length, 0);
  record.promptTokens = promptTokens;
  deps.metrics.tokens.inc({ kind: 'prompt' }, promptTokens);

  const left = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, left.signal]);
  const answers = runAnswers(request, asks, { deps, gate, caller: c.get('caller'), record, signal });
  const frame: Frame = {
    id: `${format.idPrefix}-${deps.randomId()}`,
    created: Math.floor(deps.clock() / 1000),
    model: request.model.name,
    system_fingerprint: `fp_${request.model.id.slice(-12)}`,
  };
  const closing = {
    seed: request.sampling.seed,
    withDetail: params.vessel?.detail ?? false,
    withUsage: params.stream_options?.include_usage ?? false,
    usage: () => usageOf(promptTokens, record.completionTokens),
  };
  if (!params.stream) return c.json(await wholeResponse(answers, asks, frame, format, closing));

  const ended = Promise.withResolvers<void>();
  const response = await eventStreamResponse({
    events: pieces(answers, asks, frame, format, closing),
    keepAliveMs: deps.settings.keepAliveMs,
    after: deps.after,
    onCancel: () => {
      record.code = 'cancelled';
      left.abort();
    },
    onEnd: (error: VesselError | null) => {
      record.code ??= error?.code ?? null;
      ended.resolve();
    },
  });
  record.streamed = ended.promise;
  return response;
}

interface Closing {
  seed: number;
  withDetail: boolean;
  withUsage: boolean;
  usage: () => Usage;
}

async function wholeResponse(
  answers: AsyncIterable<AnswerEvent>,
  asks: Omit<AskIds, 'signal'>[],
  frame: Frame,
  format: AnswerFormat,
  closing: Closing,
): Promise<object> {
  const wholes = asks.map((): { text: string; tokens: PlacedToken[]; reason: FinishReason } => ({
    text: '',
    tokens: [],
    reason: 'stop',
  }));
  const outcomes: AnswerOutcome[] = [];
  for await (const event of answers) {
    const whole = wholes[event.index]!;
    if (event.type === 'text') {
      whole.text += event.text;
      whole.tokens.push(...event.tokens);
    }
    if (event.type === 'end') {
      whole.reason = event.reason;
      outcomes.push(event.outcome);
    }
  }
  return {
    ...frame,
    object: format.wholeObject,
    choices: wholes.map((whole, index) => format.whole(index, whole)),
    usage: closing.usage(),
    vessel: report(closing, outcomes),
  };
}

async function* pieces(
  answers: AsyncIterable<AnswerEvent>,
  asks: Omit<AskIds, 'signal'>[],
  frame: Frame,
  format: AnswerFormat,
  closing: Closing,
): AsyncGenerator<object, void, void> {
  const outcomes: AnswerOutcome[] = [];
  // With include_usage every piece has the field, and it is null in all but the last.
  const common = { ...frame, object: format.pieceObject, ...(closing.withUsage ? { usage: null } : {}) };
  for await (const event of answers) {
    switch (event.type) {
      case 'open': {
        const choice = format.open(event.index);
        if (choice) yield { ...common, choices: [choice] };
        break;
      }
      case 'text':
        yield { ...common, choices: [format.text(event.index, event.text, event.tokens)] };
        break;
      case 'end': {
        outcomes.push(event.outcome);
        const isLast = outcomes.length === asks.length && !closing.withUsage;
        const choices = [format.end(event.index, event.reason)];
        yield { ...common, choices, ...(isLast ? { vessel: report(closing, outcomes) } : {}) };
        break;
      }
      default:
        event satisfies never;
    }
  }
  if (closing.withUsage) yield { ...common, choices: [], usage: closing.usage(), vessel: report(closing, outcomes) };
}

function report({ seed, withDetail }: Closing, outcomes: AnswerOutcome[]): VesselReport {
  return withDetail ? { seed, choices: outcomes.toSorted((a, b) => a.index - b.index) } : { seed };
}

function usageOf(prompt: number, completion: number): Usage {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}
