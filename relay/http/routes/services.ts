/** Whole-graph services: one order or several, as JSON or as plain bytes, worked off in one session on one provider. */
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { chargedFields, chargedFieldsOf } from '../answers/answer-outcome.ts';
import type { AnswerPorts } from '../answers/respond.ts';
import { admit } from '../answers/run-answers.ts';
import { checkOrders, openService, type PreparedOrder, requireService, runOrders } from '../answers/run-orders.ts';
import type { HttpContext, HttpDeps, ServiceInfo } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { Money } from '../money.ts';
import { parseParams, readBytes, readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import { listingFields, listingSchema } from './listing.ts';
import type { Route } from './route.ts';

const jsonObject = z.record(z.string(), z.unknown());
const backend = z.enum(['webgpu', 'wasm']);

const serviceSchema = z.strictObject({
  /** Name of the model, as it is asked for. */
  id: z.string(),
  object: z.literal('service'),
  created: z.number().int(),
  owned_by: z.string(),
  /** Service type. */
  service: z.string(),
  /** What an order is metered in. */
  unit: z.string(),
  /** Whether the orders of one request build on each other. */
  streaming: z.boolean(),
  max_input_bytes: z.number().int(),
  vessel: z.strictObject({
    cid: z.string(),
    ready: z.boolean(),
    /** Wei that a unit costs at most, royalty and fee included; only in a paid network. */
    price: z.string().optional(),
    /** Whose it is and on what terms; only for a graph that is in the registry of a paid network. */
    listing: listingSchema.optional(),
  }),
});
const listSchema = z.strictObject({ object: z.literal('list'), data: z.array(serviceSchema) });
const detailSchema = serviceSchema.extend({
  /** JSON schema of an order. */
  order: jsonObject,
  settings: jsonObject,
});

const orderSchema = z.strictObject({
  /** As the service type says: see GET /v1/services/{model}. */
  order: jsonObject,
  /** The bytes of the order, in base64. */
  input: z.string().default(''),
});
const ordersSchema = z.strictObject({ orders: z.array(orderSchema).min(1).max(httpLimits.maxOrders) });

const answerSchema = z.strictObject({
  /** In the form of the service type. */
  result: jsonObject,
  meter: z.strictObject({ unit: z.string(), amount: z.number() }),
  backend,
});
const provider = z.string();
const responseSchema = z.union([
  answerSchema.extend({ provider, ...chargedFields }),
  /** To a request with `orders`. */
  z.strictObject({ results: z.array(answerSchema), provider, ...chargedFields }),
]);

const modelParameter = { name: 'model', description: 'Name of the model, or CID of its manifest' };

export function listServices({ services, money }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/services',
    summary: 'All whole-graph services of this relay',
    access: 'key',
    response: { description: 'The services', contentType: 'application/json', schema: listSchema },
    handle: async (c) => {
      const data = await Promise.all(services.list().map((service) => describe(service, money)));
      return c.json({ object: 'list', data } satisfies z.infer<typeof listSchema>);
    },
  };
}

export function retrieveService(deps: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/services/:model{.+}',
    summary: 'One service, with its settings and the schema of its orders',
    access: 'key',
    parameters: [modelParameter],
    response: { description: 'The service', contentType: 'application/json', schema: detailSchema },
    handle: async (c) => {
      const service = await requireService(deps, c.req.param('model') ?? '');
      const { $schema: _, ...order } = z.toJSONSchema(service.type.order, { io: 'input' });
      return c.json({ ...(await describe(service, deps.money)), order, settings: service.settings } satisfies z.infer<
        typeof detailSchema
      >);
    },
  };
}

export function askService({ deps, gate, cashier }: AnswerPorts): Route {
  return {
    method: 'post',
    path: '/v1/services/:model{.+}',
    summary: 'Have a whole-graph service work off one order, or several in one session',
    access: 'key',
    parameters: [
      modelParameter,
      {
        name: 'vessel-order',
        in: 'header',
        description:
          'With a body of application/octet-stream: the order as JSON (ASCII only), e.g. {"format":"gray8","width":28,"height":28}',
      },
    ],
    request: z.union([orderSchema, ordersSchema]),
    binaryRequest: 'The bytes of one order; its JSON goes into the vessel-order header',
    response: {
      description: 'The result, or with `orders` one result for each',
      contentType: 'application/json',
      schema: responseSchema,
    },
    handle: async (c) => {
      const service = await requireService(deps, c.req.param('model') ?? '');
      const { orders, isList } = await readOrders(c, service);
      const most = checkOrders(service, orders);
      const { signal } = c.req.raw;
      const checkout = cashier && (await cashier.checkOut(c, service.id, [{ promptTokens: most, maxTokens: 0 }]));
      const { leave, bill } = await admit(gate, c.get('caller'), { places: 1, checkout, signal });
      try {
        const session = await openService(deps, service, signal, bill?.payer(0));
        const { provider } = session;
        const results = await runOrders(deps, service, session, orders).finally(() => session.close());
        const charged = chargedFieldsOf(bill && (await bill.settle()));
        const body = isList ? { results, provider, ...charged } : { ...results[0]!, provider, ...charged };
        return c.json(body satisfies z.infer<typeof responseSchema>, 200, checkout?.headers);
      } catch (error) {
        throw signal.aborted ? new VesselError('cancelled', undefined, { cause: error }) : error;
      } finally {
        leave();
        await bill?.settle();
      }
    },
  };
}

async function readOrders(c: HttpContext, { type }: ServiceInfo): Promise<{ orders: PreparedOrder[]; isList: boolean }> {
  const contentType = (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  if (contentType === 'application/octet-stream') {
    const order = orderOf(c.req.header('vessel-order'));
    const input = await readBytes(c.req.raw, type.maxInputBytes);
    return { orders: [{ order, input, param: 'vessel-order' }], isList: false };
  }
  if (contentType !== 'application/json') {
    throw new RequestError(
      'unsupported',
      'Send application/json, or raw input as application/octet-stream with a vessel-order header. Files such as PNG or MP3 are not decoded here.',
      { param: 'content-type' },
    );
  }
  const maxBytes = Math.ceil(type.maxInputBytes / 3) * 4 + httpLimits.orderHeaderBytes;
  const body = await readJson(c.req.raw, maxBytes);
  const isList = typeof body === 'object' && body !== null && 'orders' in body;
  if (!isList) return { orders: [prepare(parseParams(orderSchema, body), '')], isList };
  const { orders } = parseParams(ordersSchema, body);
  return { orders: orders.map((order, index) => prepare(order, `orders[${index}].`)), isList };
}

function orderOf(header: string | undefined): Record<string, unknown> {
  const param = 'vessel-order';
  if (header === undefined) {
    throw new RequestError('bad_request', 'The order is missing: send it as JSON in the vessel-order header.', { param });
  }
  try {
    return jsonObject.parse(JSON.parse(header));
  } catch (cause) {
    throw new RequestError('bad_request', 'The vessel-order header must be a JSON object.', { param, cause });
  }
}

function prepare({ order, input }: z.output<typeof orderSchema>, path: string): PreparedOrder {
  const bytes = Buffer.from(input, 'base64');
  // Buffer skips what is no base64, so what it read is compared with what came.
  if (bytes.toString('base64') !== input) {
    const param = `${path}input`;
    throw new RequestError('bad_request', `'${param}' is not base64 (with padding, without line breaks).`, { param });
  }
  return { order, input: bytes, param: `${path}order` };
}

async function describe(service: ServiceInfo, money: Money | null): Promise<z.infer<typeof serviceSchema>> {
  const { id, name, created, ownedBy, ready, type } = service;
  // While the chain does not answer, a list without prices is better than none.
  const price = await money?.payments.quote(id, type.positionsPerUnit, 0).catch(() => null);
  const listing = await listingFields(money, id);
  return {
    id: name,
    object: 'service',
    created,
    owned_by: ownedBy,
    service: type.name,
    unit: type.unit,
    streaming: type.streaming,
    max_input_bytes: type.maxInputBytes,
    vessel: { cid: id, ready, ...(price == null ? {} : { price: price.toString() }), ...listing },
  };
}
