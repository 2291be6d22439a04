/** Orders of device keys and passkeys for the Accounts contract: they hold no coins, so the relay brings them to the chain. */
import { z } from 'zod';
import { addressParam, bytes32Param, hexBytes } from '../hex-params.ts';
import type { HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { AccountOrder, Money } from '../money.ts';
import { parseParams, readJson } from '../read-json.ts';
import { RequestError } from '../request-error.ts';
import type { Route } from './route.ts';

const decimal = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,9})$/, 'must be a decimal string')
  .transform(BigInt);
const deviceSignature = z.strictObject({ x: bytes32Param, y: bytes32Param, r: bytes32Param, s: bytes32Param });
const passkeySignature = z.strictObject({
  x: bytes32Param,
  y: bytes32Param,
  auth: z.strictObject({
    r: bytes32Param,
    s: bytes32Param,
    challengeIndex: decimal,
    typeIndex: decimal,
    authenticatorData: hexBytes(37, 2048),
    clientDataJSON: z.string().min(1).max(2048),
  }),
});
/** Unix seconds; a nonce is in the signature alone. */
const common = { account: addressParam, deadline: decimal };
const setPayout = { ...common, kind: z.literal('set-payout'), payout: addressParam };
const addKey = { ...common, kind: z.literal('add-key'), key: addressParam };
const byDevice = { by: z.literal('device'), signature: deviceSignature };
const byPasskey = { by: z.literal('passkey'), signature: passkeySignature };
const orderSchema = z.union([
  z.strictObject({ ...setPayout, ...byDevice }),
  z.strictObject({ ...setPayout, ...byPasskey }),
  z.strictObject({ ...addKey, ...byDevice }),
  z.strictObject({ ...addKey, ...byPasskey }),
]);
const sentSchema = z.strictObject({ transaction: z.string() });

export function submitAccountOrder({ clock }: HttpDeps, { accounts }: Money): Route {
  return {
    method: 'post',
    path: '/v1/accounts/payout',
    summary: 'Bring a signed SetPayout or AddKey to the Accounts contract, at the relay’s cost',
    access: 'gas',
    request: orderSchema,
    response: { description: 'The transaction', contentType: 'application/json', schema: sentSchema },
    handle: async (c) => {
      const order: AccountOrder = parseParams(orderSchema, await readJson(c.req.raw, httpLimits.smallBodyBytes));
      if (order.deadline * 1000n <= BigInt(Math.floor(clock()))) {
        throw new RequestError('bad_request', 'The deadline has passed: sign again.', { param: 'deadline' });
      }
      return c.json((await accounts.submit(order)) satisfies z.infer<typeof sentSchema>);
    },
  };
}
