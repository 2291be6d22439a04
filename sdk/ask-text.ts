/** Text in, text out: the layer between words and `askIds`. */

import type { AnswerPaid, AskIdsFunction, AskStats, RouteHop } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { type Sampling, samplingSchema } from '../shared/protocol/sampling.ts';
import type { AskPayer } from '../shared/receipts/ask-payer.ts';
import type { ModelSource } from './model-source.ts';
import { AnswerText } from './text/answer-text.ts';
import type { ChatMessage } from './text/chat-template.ts';

export interface AskRequest {
  /** Model name or manifest CID. */
  model: string;
  /** A conversation for the model's chat template… */
  messages?: readonly ChatMessage[];
  /** …or text to continue. One of the two. */
  prompt?: string;
  /** Tokens to generate at most. Default: what the context leaves, 1024 at most. */
  maxTokens?: number;
  /** Strings that end the answer and are not part of it. */
  stop?: readonly string[];
  /** Default: the API's defaults (temperature 1) with a random seed. */
  sampling?: Partial<Sampling>;
  /** Who pays. Default: the payer of the connection, if it has one. */
  payer?: AskPayer;
  /** In wei: an answer that could cost more is refused before it begins. */
  maxPrice?: bigint;
  /** Ends the answer and frees every hop. */
  signal?: AbortSignal;
}

export type AnswerEvent =
  | { type: 'route'; session: string; hops: RouteHop[] }
  /** Text that is certain: whole characters, nothing of a stop string. Empty for a token that completes none. */
  | { type: 'text'; text: string; token: number }
  | {
      type: 'done';
      reason: 'stop' | 'length';
      promptTokens: number;
      completionTokens: number;
      stats: AskStats | null;
      /** What it cost; left out for a free answer, and for one that a stop string ended. */
      paid?: AnswerPaid;
    };

const defaultMaxTokens = 1024;

export async function* askText(models: ModelSource, askIds: AskIdsFunction, request: AskRequest): AsyncGenerator<AnswerEvent> {
  const model = await models.get(request.model);
  const promptIds = encodePrompt(model.codec, request);
  const room = model.context - promptIds.length;
  if (room < 1) {
    throw new VesselError(
      'context_exceeded',
      `The prompt has ${promptIds.length} tokens; this model takes ${model.context} with the answer.`,
    );
  }
  const maxTokens = request.maxTokens ?? Math.min(room, defaultMaxTokens);
  if (!Number.isInteger(maxTokens) || maxTokens < 1)
    throw new VesselError('bad_request', 'maxTokens must be a whole number, 1 or more.');
  const answer = new AnswerText<{ id: number }>(
    model.codec.stream({ continues: request.prompt !== undefined }),
    request.stop ?? [],
  );
  const events = askIds({
    model: model.id,
    promptIds,
    maxTokens,
    sampling: parseSampling(request.sampling ?? {}),
    stopIds: model.manifest.stopIds,
    ...(request.payer ? { payer: request.payer } : {}),
    ...(request.maxPrice === undefined ? {} : { maxPrice: request.maxPrice }),
    ...(request.signal ? { signal: request.signal } : {}),
  });
  let completionTokens = 0;
  for await (const event of events) {
    switch (event.type) {
      case 'route':
        yield event;
        break;
      case 'token': {
        completionTokens++;
        const piece = answer.push({ id: event.id });
        yield { type: 'text', text: piece.text, token: event.id };
        if (!piece.isStopped) break;
        yield { type: 'done', reason: 'stop', promptTokens: promptIds.length, completionTokens, stats: null };
        return;
      }
      case 'done': {
        const rest = answer.end();
        if (rest.text !== '') yield { type: 'text', text: rest.text, token: -1 };
        yield {
          type: 'done',
          reason: event.reason,
          promptTokens: promptIds.length,
          completionTokens,
          stats: event.stats,
          ...(event.paid ? { paid: event.paid } : {}),
        };
        return;
      }
      default:
        event satisfies never;
    }
  }
}

function encodePrompt(codec: Awaited<ReturnType<ModelSource['get']>>['codec'], { messages, prompt }: AskRequest): number[] {
  if ((messages === undefined) === (prompt === undefined)) {
    throw new VesselError('bad_request', 'Give either `messages` or `prompt`.');
  }
  return messages ? codec.applyChatTemplate(messages) : codec.encode(prompt!, { special: true });
}

function parseSampling(sampling: Partial<Sampling>): Sampling {
  const parsed = samplingSchema.safeParse({ seed: Math.floor(Math.random() * 2 ** 48), ...sampling });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new VesselError('bad_request', `sampling.${issue.path.join('.')}: ${issue.message}`);
}
