import { z } from 'zod';
import { requireModel } from '../answers/read-prompt.ts';
import type { HttpDeps, ModelInfo } from '../http-deps.ts';
import type { Money } from '../money.ts';
import { listingFields, listingSchema } from './listing.ts';
import type { Route } from './route.ts';

const modelSchema = z.strictObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.number().int(),
  owned_by: z.string(),
  vessel: z.strictObject({
    /** CID of the manifest; it names the model as well as `id` does. */
    cid: z.string(),
    /** Longest prompt and answer together, in tokens. */
    context: z.number().int(),
    vocab: z.number().int(),
    /** Whether the tabs online hold every layer. */
    ready: z.boolean(),
    /** Wei per layer and token that providers ask who name no price of their own; only in a paid network. */
    ask: z.strictObject({ prompt: z.string(), output: z.string() }).optional(),
    /** Whose it is and on what terms; only for a model that is in the registry of a paid network. */
    listing: listingSchema.optional(),
  }),
});
const listSchema = z.strictObject({ object: z.literal('list'), data: z.array(modelSchema) });

export function listModels({ models, money }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/models',
    summary: 'All models of this relay',
    access: 'key',
    response: { description: 'The models', contentType: 'application/json', schema: listSchema },
    handle: async (c) => {
      const list: z.infer<typeof listSchema> = {
        object: 'list',
        data: await Promise.all((await models.list()).map((model) => describe(model, money))),
      };
      return c.json(list);
    },
  };
}

export function retrieveModel({ models, money }: HttpDeps): Route {
  return {
    method: 'get',
    // A name may have slashes, as in org/name.
    path: '/v1/models/:id{.+}',
    summary: 'One model, by name or CID',
    access: 'key',
    parameters: [{ name: 'id', description: 'Name of the model, or CID of its manifest' }],
    response: { description: 'The model', contentType: 'application/json', schema: modelSchema },
    handle: async (c) => c.json(await describe(await requireModel(models, c.req.param('id') ?? ''), money)),
  };
}

async function describe(model: ModelInfo, money: Money | null): Promise<z.infer<typeof modelSchema>> {
  const { id, name, created, ownedBy, context, vocab, ready } = model;
  const terms = money?.payments.terms;
  const ask = terms && { ask: { prompt: terms.ask.prompt.toString(), output: terms.ask.output.toString() } };
  const vessel = { cid: id, context, vocab, ready, ...ask, ...(await listingFields(money, id)) };
  return { id: name, object: 'model', created, owned_by: ownedBy, vessel };
}
