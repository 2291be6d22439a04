/** API keys over spending authorizations: everything here is of the wallet that signed in. */
import { z } from 'zod';
import { hexBytes, weiParam } from '../hex-params.ts';
import type { HttpContext, HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { authorizationTypedData, authorizeCall, revokeCall } from '../keys/authorization-calls.ts';
import { authorizationOf, type KeyWithState, type PaidKeys } from '../keys/paid-keys.ts';
import type { Money } from '../money.ts';
import { parseParams, readJson } from '../read-json.ts';
import { endedKeySchema, endedKeys, transactionSchema } from './ended-keys.ts';
import type { Route } from './route.ts';

const wei = z.string();
const keySchema = z.strictObject({
  id: z.string(),
  object: z.literal('api_key'),
  name: z.string(),
  /** Unix seconds. */
  created: z.number().int(),
  last_used: z.number().int().nullable(),
  session_key: z.string(),
  /** `pending`: no chain knows it yet. */
  status: z.enum(['pending', 'active', 'expired']),
  /** As authorized; as asked for while it is pending. */
  cap: wei,
  /** Charged so far, collected on chain or not. */
  spent: wei,
  expiry: z.number().int(),
  spend_limit: wei.nullable(),
});
const createSchema = z.strictObject({
  name: z.string().min(1).max(128),
  /** Wei: what the key may spend at most, set aside when it is authorized. */
  cap: weiParam.refine((value) => value > 0n, { message: 'must be above 0' }),
  /** Unix seconds. */
  expiry: z.number().int().positive(),
});
const createdSchema = keySchema.extend({
  /** Shown once. */
  secret: z.string(),
  /** EIP-712, for `eth_signTypedData_v4`; its signature goes to /v1/keys/{id}/authorize. */
  authorization: z.record(z.string(), z.unknown()),
  /** The same as a transaction, for wallets that rather send one. */
  transaction: transactionSchema,
});
const authorizeSchema = z.strictObject({ signature: hexBytes(1, httpLimits.signatureChars) });
const changeSchema = z.strictObject({ spend_limit: weiParam.nullable() });
const listSchema = z.strictObject({
  object: z.literal('list'),
  data: z.array(keySchema),
  /** The payer's free balance, not set aside for any key. */
  balance: wei,
  /** Keys that ended and still have money set aside on chain. */
  ended: z.array(endedKeySchema),
});
const revokedSchema = z.strictObject({
  id: z.string(),
  revoked: z.literal(true),
  /** Ends the authorization on chain too, so that what is left becomes free sooner. */
  transaction: transactionSchema,
});

const idParameter = { name: 'id', description: 'Id of the key' };
const path = '/v1/keys/:id';

interface KeyPorts {
  deps: HttpDeps;
  money: Money;
  paidKeys: PaidKeys;
}

export function keyRoutes(ports: KeyPorts): Route[] {
  return [createKey(ports), listKeys(ports), authorizeKey(ports), changeKey(ports), revokeKey(ports)];
}

function createKey({ deps, money, paidKeys }: KeyPorts): Route {
  return {
    method: 'post',
    path: '/v1/keys',
    summary: 'Make an API key, and what its payer signs for it',
    access: 'session',
    request: createSchema,
    response: {
      description: 'The key, its secret, and the authorization to sign',
      contentType: 'application/json',
      schema: createdSchema,
    },
    handle: async (c) => {
      const params = parseParams(createSchema, await body(c));
      const { key, secret } = await paidKeys.create(c.get('wallet'), params);
      const authorization = authorizationOf(key);
      const { terms } = money.payments;
      const answer: z.infer<typeof createdSchema> = {
        ...describe({ key, state: { cap: 0n, spent: 0n, expiry: 0, closed: false } }, deps),
        secret,
        authorization: authorizationTypedData(terms, authorization),
        transaction: authorizeCall(terms, authorization),
      };
      return c.json(answer);
    },
  };
}

function listKeys({ deps, money, paidKeys }: KeyPorts): Route {
  return {
    method: 'get',
    path: '/v1/keys',
    summary: 'Your keys, your free balance, and what ended keys still have',
    access: 'session',
    response: { description: 'The keys that were not revoked', contentType: 'application/json', schema: listSchema },
    handle: async (c) => {
      const payer = c.get('wallet');
      const [keys, free] = await Promise.all([paidKeys.list(payer), money.escrow.balanceOf(payer)]);
      const data = keys.map((key) => describe(key, deps));
      // After the list, which finds out what the chain knows of each key.
      const ended = await endedKeys(deps, money, payer);
      return c.json({ object: 'list', data, balance: free.toString(), ended } satisfies z.infer<typeof listSchema>);
    },
  };
}

function authorizeKey({ deps, paidKeys }: KeyPorts): Route {
  return {
    method: 'post',
    path: `${path}/authorize`,
    summary: 'Bring the signed authorization of a key to the chain, at the relay’s cost',
    access: 'session',
    parameters: [idParameter],
    request: authorizeSchema,
    response: { description: 'The key, ready for use', contentType: 'application/json', schema: keySchema },
    handle: async (c) => {
      const { signature } = parseParams(authorizeSchema, await body(c));
      return c.json(describe(await paidKeys.authorize(c.get('wallet'), idOf(c), signature), deps));
    },
  };
}

function changeKey({ deps, paidKeys }: KeyPorts): Route {
  return {
    method: 'patch',
    path,
    summary: 'Limit what a key may spend, below its cap; null lifts the limit',
    access: 'session',
    parameters: [idParameter],
    request: changeSchema,
    response: { description: 'The key', contentType: 'application/json', schema: keySchema },
    handle: async (c) => {
      const { spend_limit } = parseParams(changeSchema, await body(c));
      return c.json(describe(await paidKeys.setSpendLimit(c.get('wallet'), idOf(c), spend_limit), deps));
    },
  };
}

function revokeKey({ money, paidKeys }: KeyPorts): Route {
  return {
    method: 'delete',
    path,
    summary: 'Revoke a key: at once at this relay, and on chain by the transaction in the answer',
    access: 'session',
    parameters: [idParameter],
    response: { description: 'Revoked', contentType: 'application/json', schema: revokedSchema },
    handle: async (c) => {
      const { id, payment } = await paidKeys.revoke(c.get('wallet'), idOf(c));
      const transaction = revokeCall(money.payments.terms, payment.sessionKey);
      return c.json({ id, revoked: true, transaction } satisfies z.infer<typeof revokedSchema>);
    },
  };
}

function describe({ key, state }: KeyWithState, { keys, clock }: HttpDeps): z.infer<typeof keySchema> {
  const { id, name, createdMs, payment } = key;
  const isKnown = state.cap > 0n;
  const isOver = isKnown && (state.closed || state.expiry * 1000 <= clock());
  const lastUsedMs = keys.lastUsedMs(id);
  return {
    id,
    object: 'api_key',
    name,
    created: Math.floor(createdMs / 1000),
    last_used: lastUsedMs === null ? null : Math.floor(lastUsedMs / 1000),
    session_key: payment.sessionKey,
    status: isKnown ? (isOver ? 'expired' : 'active') : 'pending',
    cap: isKnown ? state.cap.toString() : payment.cap,
    spent: state.spent.toString(),
    expiry: isKnown ? state.expiry : payment.expiry,
    spend_limit: payment.spendLimit,
  };
}

function idOf(c: HttpContext): string {
  return c.req.param('id') ?? '';
}

function body(c: HttpContext): Promise<unknown> {
  return readJson(c.req.raw, httpLimits.smallBodyBytes);
}
