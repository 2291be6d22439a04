import { z } from 'zod';
import { limits } from '../../../shared/protocol/limits.ts';
import { requireModel } from '../answers/read-prompt.ts';
import type { HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { parseParams } from '../read-json.ts';
import type { Route } from './route.ts';

const count = (least: number) =>
  z
    .string()
    .regex(/^[0-9]{1,9}$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= least && value <= limits.maxContext, { message: `must be ${least} to ${limits.maxContext}` });
const querySchema = z.strictObject({
  model: z.string().min(1).max(256),
  prompt_tokens: count(1),
  max_tokens: count(1).default(httpLimits.defaultMaxTokens),
});
const priceSchema = z.strictObject({
  model: z.string(),
  prompt_tokens: z.number().int(),
  max_tokens: z.number().int(),
  /** Wei of AIC (18 decimals): never more than this for one answer; what is not used is not charged. "0" in a free network. */
  price: z.string(),
  currency: z.literal('AIC'),
  decimals: z.literal(18),
});

export function price({ models, money }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/price',
    summary: 'The most that one answer can cost now',
    access: 'limited',
    parameters: [
      { name: 'model', in: 'query', description: 'Name of the model, or CID of its manifest' },
      { name: 'prompt_tokens', in: 'query', description: 'Tokens of the prompt' },
      {
        name: 'max_tokens',
        in: 'query',
        description: `Longest answer, in tokens (${httpLimits.defaultMaxTokens} when left out)`,
      },
    ],
    response: { description: 'The upper bound', contentType: 'application/json', schema: priceSchema },
    handle: async (c) => {
      const { model: name, prompt_tokens, max_tokens } = parseParams(querySchema, c.req.query());
      const model = await requireModel(models, name);
      const bound = (await money?.payments.quote(model.id, prompt_tokens, max_tokens)) ?? 0n;
      const body = {
        model: model.name,
        prompt_tokens,
        max_tokens,
        price: bound.toString(),
        currency: 'AIC',
        decimals: 18,
      } as const;
      return c.json(body satisfies z.infer<typeof priceSchema>);
    },
  };
}
