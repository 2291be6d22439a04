import { z } from 'zod';
import type { ChatMessage } from '../../../sdk/text/chat-template.ts';
import { limits } from '../../../shared/protocol/limits.ts';
import { answerParams, samplingOf, stopsOf } from '../answers/answer-params.ts';
import { encodePrompt, requireCodec, requireModel } from '../answers/read-prompt.ts';
import { chatUnsupported, refuseUnsupported } from '../answers/refuse-unsupported.ts';
import { type AnswerPorts, respond } from '../answers/respond.ts';
import { httpLimits } from '../http-limits.ts';
import { parseParams, readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import { chatChunkSchema, chatCompletionSchema, chatFormat } from './chat-format.ts';
import type { Route } from './route.ts';

const partSchema = z.object({ type: z.string(), text: z.string().optional() });
const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(partSchema).min(1).max(httpLimits.maxParts)]),
  tool_calls: z.array(z.unknown()).nullish(),
  function_call: z.unknown().optional(),
});

const requestSchema = z.strictObject({
  ...answerParams,
  messages: z.array(messageSchema).min(1).max(httpLimits.maxMessages),
  /** The same as `max_tokens`, by its newer name. */
  max_completion_tokens: answerParams.max_tokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(limits.maxTopLogprobs).nullish(),
});
type Params = z.output<typeof requestSchema>;

export function chatCompletions(ports: AnswerPorts): Route {
  const { deps } = ports;
  return {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answer a conversation',
    access: 'key',
    request: requestSchema,
    response: {
      description: 'The answer, or with `stream` its pieces as server-sent events',
      contentType: 'application/json',
      schema: chatCompletionSchema,
      streamed: chatChunkSchema,
    },
    handle: async (c) => {
      const body = await readJson(c.req.raw, deps.settings.maxBodyBytes);
      const params = parseParams(requestSchema, refuseUnsupported(body, chatUnsupported));
      if (params.vessel?.raw) {
        throw new RequestError('unsupported', 'Raw prompts go to /v1/completions.', { param: 'vessel.raw' });
      }
      const messages = plainMessages(params.messages);
      const topLogprobs = topLogprobsOf(params);
      const maxTokens = maxTokensOf(params);
      const model = await requireModel(deps.models, params.model);
      const codec = await requireCodec(deps.models.codec(model.id));
      const promptIds = encodePrompt(model, 'messages', charactersOf(messages), () => codec.applyChatTemplate(messages));
      const seed = params.seed ?? deps.randomSeed();
      const request = {
        model,
        codec,
        prompts: [promptIds],
        n: params.n ?? 1,
        maxTokens,
        sampling: samplingOf(params, { seed, topLogprobs, vocab: model.vocab }),
        stops: stopsOf(params),
        ignoreEos: params.vessel?.ignore_eos ?? false,
        continues: false,
      };
      return respond(c, ports, { request, params, format: chatFormat(codec, topLogprobs !== null) });
    },
  };
}

function maxTokensOf({ max_tokens, max_completion_tokens }: Params): number | null {
  const isContradiction =
    typeof max_tokens === 'number' && typeof max_completion_tokens === 'number' && max_tokens !== max_completion_tokens;
  if (isContradiction) {
    throw new RequestError('bad_request', 'max_tokens and max_completion_tokens are the same thing: send one.', {
      param: 'max_tokens',
    });
  }
  return max_completion_tokens ?? max_tokens ?? null;
}

function topLogprobsOf({ logprobs, top_logprobs }: Params): number | null {
  if (logprobs) return top_logprobs ?? 0;
  if (top_logprobs) {
    throw new RequestError('bad_request', 'top_logprobs needs logprobs to be true.', { param: 'top_logprobs' });
  }
  return null;
}

/** Messages as a chat template reads them: four roles, text only. */
function plainMessages(messages: Params['messages']): ChatMessage[] {
  return messages.map(({ role, content, tool_calls, function_call }, index) => {
    const param = `messages[${index}]`;
    if (role === 'tool' || role === 'function' || tool_calls?.length || (function_call ?? null) !== null) {
      throw new RequestError('unsupported', 'Tool calls are not supported: send text messages only.', { param });
    }
    const text =
      typeof content === 'string' ? content : content.map((part, at) => partText(part, `${param}.content[${at}]`)).join('');
    // "developer" is what the newer API calls the system role; templates know the older word.
    return { role: role === 'developer' ? 'system' : role, content: text };
  });
}

function partText({ type, text }: z.output<typeof partSchema>, param: string): string {
  if (type !== 'text') {
    throw new RequestError('unsupported', 'Only content parts of type "text" are supported.', { param: `${param}.type` });
  }
  if (text === undefined) throw new RequestError('bad_request', 'The part has no text.', { param: `${param}.text` });
  return text;
}

function charactersOf(messages: ChatMessage[]): number {
  return messages.reduce((sum, { content }) => sum + content.length, 0);
}
