/**
 * JSON-RPC to the relay's own node, so that a page needs nobody else: reading, and sending transactions that a wallet has signed.
 * Methods that keep state at the node (filters), sign there, or steer a test chain are not passed on.
 */
import { z } from 'zod';
import { toVesselError, VesselError } from '../../../shared/protocol/errors.ts';
import type { HttpContext } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { type ChainRpc, RpcError } from '../money.ts';
import { readJson } from '../read-json.ts';
import type { Route } from './route.ts';

const methods = [
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_sendRawTransaction',
  'net_version',
] as const;

const callSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.number(), z.string().max(64), z.null()]),
  method: z.string().max(64),
  params: z.array(z.unknown()).max(4).default([]),
});
const requestSchema = z.union([callSchema, z.array(callSchema).min(1).max(httpLimits.maxRpcBatch)]);
const answerSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: callSchema.shape.id,
  result: z.unknown().optional(),
  error: z.strictObject({ code: z.number().int(), message: z.string(), data: z.unknown().optional() }).optional(),
});
type Answer = z.infer<typeof answerSchema>;

export function chainRpc(rpc: ChainRpc): Route {
  return {
    method: 'post',
    path: '/v1/chain',
    summary: 'JSON-RPC of the chain: reading, and sending signed transactions',
    access: 'limited',
    request: requestSchema,
    response: {
      description: 'JSON-RPC 2.0',
      contentType: 'application/json',
      schema: z.union([answerSchema, z.array(answerSchema)]),
    },
    handle: async (c) => {
      const parsed = requestSchema.safeParse(await readJson(c.req.raw, httpLimits.smallBodyBytes));
      if (!parsed.success)
        return c.json(failure(null, -32600, `Invalid request (at most ${httpLimits.maxRpcBatch} calls).`), 400);
      const { data } = parsed;
      return c.json(Array.isArray(data) ? await inTurn(c, rpc, data) : await answer(c, rpc, data));
    },
  };
}

/** One after the other: a batch takes one caller's share of the node, whatever is in it. */
async function inTurn(c: HttpContext, rpc: ChainRpc, calls: z.output<typeof callSchema>[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const call of calls) answers.push(await answer(c, rpc, call));
  return answers;
}

async function answer(c: HttpContext, rpc: ChainRpc, { id, method, params }: z.output<typeof callSchema>): Promise<Answer> {
  if (!methods.some((known) => known === method)) {
    return failure(id, -32601, `This relay passes on ${methods.join(', ')} only.`);
  }
  try {
    return { jsonrpc: '2.0', id, result: (await rpc.call(method, params)) ?? null };
  } catch (thrown) {
    if (thrown instanceof RpcError) return failure(id, thrown.rpcCode, thrown.message, thrown.data);
    const { code, message } = toVesselError(thrown);
    if (code !== 'chain_unavailable') throw new VesselError('internal', undefined, { cause: thrown });
    c.get('record').code = code;
    return failure(id, -32000, message);
  }
}

function failure(id: Answer['id'], code: number, message: string, data?: unknown): Answer {
  return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } };
}
