/** Turns the answers of one request into its response, streamed or whole. */
import type { AskIds } from '../../../shared/protocol/asking.ts';
import type { VesselError } from '../../../shared/protocol/errors.ts';
import type { HttpContext, HttpDeps } from '../http-deps.ts';
import type { WorkGate } from '../limits/work-gate.ts';
import type { Charged } from '../payment/bill.ts';
import type { Cashier } from '../payment/cashier.ts';
import type { AnswerFormat } from './answer-format.ts';
import { type AnswerOutcome, chargedFieldsOf, type Usage, type VesselReport } from './answer-outcome.ts';
import type { AnswerParams } from './answer-params.ts';
import { eventStreamResponse } from './event-stream.ts';
import type { AnswerEvent, FinishReason, PlacedToken } from './run-answer.ts';
import { type AnswersRequest, admit, planAsks, runAnswers } from './run-answers.ts';

/** What every piece of a response repeats. */
interface Frame {
  id: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** What answers need beside the request. */
export interface AnswerPorts {
  deps: HttpDeps;
  gate: WorkGate;
  /** null in a free network. */
  cashier: Cashier | null;
}

/** @throws VesselError for everything that fails before a status line had to be sent */
export async function respond(
  c: HttpContext,
  { deps, gate, cashier }: AnswerPorts,
  { request, params, format }: { request: AnswersRequest; params: AnswerParams; format: AnswerFormat },
): Promise<Response> {
  const record = c.get('record');
  const asks = planAsks(request);
  const promptTokens = request.prompts.reduce((sum, ids) => sum + ids.length, 0);
  const priced = asks.map(({ promptIds, maxTokens }) => ({ promptTokens: promptIds.length, maxTokens }));
  const checkout = cashier && (await cashier.checkOut(c, request.model.id, priced));
  record.promptTokens = promptTokens;
  deps.metrics.tokens.inc({ kind: 'prompt' }, promptTokens);

  const left = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, left.signal]);
  const admission = admit(gate, c.get('caller'), { places: asks.length, checkout, signal });
  let charged: () => Charged | null = () => null;
  const admitted = admission.then(({ bill }) => {
    if (bill) charged = () => bill.charged;
  });
  if (checkout?.isX402) await admitted;
  else admitted.catch(() => undefined);
  const answers = runAnswers(request, asks, { deps, admission, record, signal });
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
    usage: () => usageOf(promptTokens, record.completionTokens, charged()),
    charged: () => charged(),
  };
  if (!params.stream) {
    return c.json(await wholeResponse(answers, asks, frame, format, closing), 200, checkout?.headers);
  }

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
  for (const [name, value] of Object.entries(checkout?.headers ?? {})) response.headers.set(name, value);
  return response;
}

interface Closing {
  seed: number;
  withDetail: boolean;
  withUsage: boolean;
  usage: () => Usage;
  charged: () => Charged | null;
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
  // The last piece tells the price, which is known when every session has ended.
  let last: object | null = null;
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
        const piece = { ...common, choices: [format.end(event.index, event.reason)] };
        if (outcomes.length < asks.length || closing.withUsage) yield piece;
        else last = piece;
        break;
      }
      default:
        event satisfies never;
    }
  }
  if (closing.withUsage) yield { ...common, choices: [], usage: closing.usage(), vessel: report(closing, outcomes) };
  else if (last) yield { ...last, vessel: { ...report(closing, outcomes), ...chargedFieldsOf(closing.charged()) } };
}

function report({ seed, withDetail }: Closing, outcomes: AnswerOutcome[]): VesselReport {
  return withDetail ? { seed, choices: outcomes.toSorted((a, b) => a.index - b.index) } : { seed };
}

function usageOf(prompt: number, completion: number, charged: Charged | null): Usage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...chargedFieldsOf(charged),
  };
}
