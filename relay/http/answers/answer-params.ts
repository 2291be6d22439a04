/** The parameters that chat and plain completions share, as the OpenAI API names them. */
import { z } from 'zod';
import { limits } from '../../../shared/protocol/limits.ts';
import { type Sampling, samplingSchema } from '../../../shared/protocol/sampling.ts';
import { RequestError } from '../request-error.ts';

const { shape } = samplingSchema;
const stopString = z
  .string()
  .min(1)
  .max(limits.maxStopStringLength)
  .refine((text) => text.isWellFormed(), { message: 'must be whole characters' });

/** Accepted for the sake of existing clients; without meaning here. Their types are still checked. */
const ignoredParams = {
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  store: z.boolean().nullish(),
  service_tier: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),
};

export const vesselParamsSchema = z.strictObject({
  /** The answer also tells route, ids and figures. */
  detail: z.boolean().optional(),
  /** Goes on to `max_tokens`, past the ids that end an answer. */
  ignore_eos: z.boolean().optional(),
  /** The prompt is encoded with the tokenizer's own post-processor; that is what /v1/completions always does. */
  raw: z.literal(true).optional(),
});

export const answerParams = {
  /** A model's name or the CID of its manifest. */
  model: z.string().min(1).max(256),
  max_tokens: z.number().int().min(1).nullish(),
  n: z.number().int().min(1).max(limits.maxChoices).nullish(),
  seed: shape.seed.nullish(),
  temperature: shape.temperature.unwrap().nullish(),
  top_p: shape.topP.unwrap().nullish(),
  top_k: shape.topK.unwrap().nullish(),
  min_p: shape.minP.unwrap().nullish(),
  repetition_penalty: shape.repetitionPenalty.unwrap().nullish(),
  presence_penalty: shape.presencePenalty.unwrap().nullish(),
  frequency_penalty: shape.frequencyPenalty.unwrap().nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'keys must be token ids'), z.number().min(-100).max(100))
    .refine((bias) => Object.keys(bias).length <= limits.maxLogitBias, { message: `at most ${limits.maxLogitBias} entries` })
    .nullish(),
  stop: z.union([stopString, z.array(stopString).max(limits.maxStopStrings)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().optional(), include_obfuscation: z.boolean().optional() })
    .nullish(),
  vessel: vesselParamsSchema.nullish(),
  ...ignoredParams,
};
const answerParamsSchema = z.object(answerParams);
export type AnswerParams = z.output<typeof answerParamsSchema>;

/** @throws RequestError `bad_request` when a biased id is outside the vocabulary */
export function samplingOf(
  params: AnswerParams,
  { seed, topLogprobs, vocab }: { seed: number; topLogprobs: number | null; vocab: number },
): Sampling {
  const logitBias = Object.entries(params.logit_bias ?? {}).map(([id, bias]): [number, number] => {
    if (Number(id) < vocab) return [Number(id), bias];
    throw new RequestError('bad_request', `This model has no token ${id}: its ids end at ${vocab - 1}.`, { param: 'logit_bias' });
  });
  return samplingSchema.parse({
    temperature: params.temperature ?? undefined,
    topP: params.top_p ?? undefined,
    topK: params.top_k ?? undefined,
    minP: params.min_p ?? undefined,
    repetitionPenalty: params.repetition_penalty ?? undefined,
    presencePenalty: params.presence_penalty ?? undefined,
    frequencyPenalty: params.frequency_penalty ?? undefined,
    seed,
    logitBias,
    topLogprobs,
  });
}

export function stopsOf({ stop }: AnswerParams): string[] {
  return typeof stop === 'string' ? [stop] : (stop ?? []);
}
