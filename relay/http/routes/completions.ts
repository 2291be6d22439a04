import { z } from 'zod';
import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import { limits } from '../../../shared/protocol/limits.ts';
import { answerParams, samplingOf, stopsOf } from '../answers/answer-params.ts';
import { checkIds, encodePrompt, requireCodec, requireModel } from '../answers/read-prompt.ts';
import { completionUnsupported, refuseUnsupported } from '../answers/refuse-unsupported.ts';
import { type AnswerPorts, respond } from '../answers/respond.ts';
import type { ModelInfo } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { parseParams, readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import { completionChunkSchema, completionFormat, completionSchema } from './completion-format.ts';
import type { Route } from './route.ts';

const idsSchema = z.array(z.number().int().nonnegative()).min(1).max(limits.maxContext);
const requestSchema = z.strictObject({
  ...answerParams,
  prompt: z.union(
    [
      z.string(),
      z.array(z.string()).min(1).max(httpLimits.maxAnswers),
      idsSchema,
      z.array(idsSchema).min(1).max(httpLimits.maxAnswers),
    ],
    { error: `must be text, token ids, or a list of up to ${httpLimits.maxAnswers} of either` },
  ),
  /** Alternatives per token; 0 gives the drawn token's alone. */
  logprobs: z.number().int().min(0).max(limits.maxTopLogprobs).nullish(),
  /** Only as many as `n`: Vessel does not draw answers to throw them away. */
  best_of: z.number().int().min(1).nullish(),
});
type Params = z.output<typeof requestSchema>;

export function completions(ports: AnswerPorts): Route {
  const { deps } = ports;
  return {
    method: 'post',
    path: '/v1/completions',
    summary: 'Continue a text',
    access: 'key',
    request: requestSchema,
    response: {
      description: 'The continuation, or with `stream` its pieces as server-sent events',
      contentType: 'application/json',
      schema: completionSchema,
      streamed: completionChunkSchema,
    },
    handle: async (c) => {
      const body = await readJson(c.req.raw, deps.settings.maxBodyBytes);
      const params = parseParams(requestSchema, refuseUnsupported(body, completionUnsupported));
      const n = params.n ?? 1;
      refuseBestOf(params.best_of ?? n, n);
      const model = await requireModel(deps.models, params.model);
      const codec = await requireCodec(deps.models.codec(model.id));
      const topLogprobs = params.logprobs ?? null;
      const seed = params.seed ?? deps.randomSeed();
      const request = {
        model,
        codec,
        prompts: promptsOf(params.prompt, model, codec),
        n,
        maxTokens: params.max_tokens ?? null,
        sampling: samplingOf(params, { seed, topLogprobs, vocab: model.vocab }),
        stops: stopsOf(params),
        ignoreEos: params.vessel?.ignore_eos ?? false,
        continues: true,
      };
      return respond(c, ports, { request, params, format: completionFormat(codec, topLogprobs) });
    },
  };
}

function refuseBestOf(bestOf: number, n: number): void {
  if (bestOf < n) throw new RequestError('bad_request', 'best_of must be at least n.', { param: 'best_of' });
  if (bestOf > n) {
    throw new RequestError('unsupported', 'best_of greater than n is not supported: ask for n and choose.', { param: 'best_of' });
  }
}

/** One list of ids per prompt. Text gets what the tokenizer's own post-processor adds, ids are taken as they are. */
function promptsOf(prompt: Params['prompt'], model: ModelInfo, codec: TextCodec): number[][] {
  const encode = (text: string, param: string) =>
    encodePrompt(model, param, text.length, () => codec.encode(text, { special: true }));
  if (typeof prompt === 'string') return [encode(prompt, 'prompt')];
  if (isIds(prompt)) return [checkIds(model, 'prompt', prompt)];
  return prompt.map((one, index) => {
    const param = `prompt[${index}]`;
    return typeof one === 'string' ? encode(one, param) : checkIds(model, param, one);
  });
}

function isIds(prompt: string[] | number[] | number[][]): prompt is number[] {
  return typeof prompt[0] === 'number';
}
