import { z } from 'zod';
import type { Faucet } from '../../chain/relay-chain.ts';
import { addressParam } from '../hex-params.ts';
import { httpLimits } from '../http-limits.ts';
import { parseParams, readJson } from '../read-json.ts';
import type { Route } from './route.ts';

const requestSchema = z.strictObject({ address: addressParam });
const givenSchema = z.strictObject({ coins: z.string(), aic: z.string() });

export function faucet(source: Faucet): Route {
  return {
    method: 'post',
    path: '/v1/faucet',
    summary: 'Test AIC and coins for gas: on a local chain only',
    access: 'gas',
    request: requestSchema,
    response: { description: 'What was given, in wei of both', contentType: 'application/json', schema: givenSchema },
    handle: async (c) => {
      const { address } = parseParams(requestSchema, await readJson(c.req.raw, httpLimits.smallBodyBytes));
      const { coins, aic } = await source.give(address);
      return c.json({ coins: coins.toString(), aic: aic.toString() } satisfies z.infer<typeof givenSchema>);
    },
  };
}
