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
const serviceQuerySchema = z.strictObject({
  model: z.string().min(1).max(256),
  units: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/, 'must be a whole number from 1 on')
    .transform(Number),
});
const inAic = { currency: z.literal('AIC'), decimals: z.literal(18) };
const priceSchema = z.union([
  z.strictObject({
    model: z.string(),
    prompt_tokens: z.number().int(),
    max_tokens: z.number().int(),
    /** Wei of AIC (18 decimals): never more than this for one answer; what is not used is not charged. "0" in a free network. */
    price: z.string(),
    ...inAic,
  }),
  /** Of a whole-graph service. */
  z.strictObject({ model: z.string(), units: z.number().int(), unit: z.string(), price: z.string(), ...inAic }),
]);
const aic = { currency: 'AIC', decimals: 18 } as const;

export function price({ models, services, money }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/price',
    summary: 'The most that one answer, or so many units of a service, can cost now',
    access: 'limited',
    parameters: [
      { name: 'model', in: 'query', description: 'Name of the model, or CID of its manifest' },
      { name: 'prompt_tokens', in: 'query', description: 'Tokens of the prompt' },
      {
        name: 'max_tokens',
        in: 'query',
        description: `Longest answer, in tokens (${httpLimits.defaultMaxTokens} when left out)`,
      },
      { name: 'units', in: 'query', description: 'Of a service, in place of tokens: units that its orders come to' },
    ],
    response: { description: 'The upper bound', contentType: 'application/json', schema: priceSchema },
    handle: async (c) => {
      const asked = c.req.query('model');
      const service = services.list().find(({ id, name }) => id === asked || name === asked);
      if (service) {
        const { units } = parseParams(serviceQuerySchema, c.req.query());
        const { unit, positionsPerUnit } = service.type;
        const bound = (await money?.payments.quote(service.id, units * positionsPerUnit, 0)) ?? 0n;
        const body = { model: service.name, units, unit, price: bound.toString(), ...aic };
        return c.json(body satisfies z.infer<typeof priceSchema>);
      }
      const { model: name, prompt_tokens, max_tokens } = parseParams(querySchema, c.req.query());
      const model = await requireModel(models, name);
      const bound = (await money?.payments.quote(model.id, prompt_tokens, max_tokens)) ?? 0n;
      const body = {
        model: model.name,
        prompt_tokens,
        max_tokens,
        price: bound.toString(),
        ...aic,
      };
      return c.json(body satisfies z.infer<typeof priceSchema>);
    },
  };
}
