/** What was earned, and everything needed to claim it without this relay. All of it is public on chain or follows from it. */
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { addressParam } from '../hex-params.ts';
import type { HttpContext } from '../http-deps.ts';
import type { Earnings, Money } from '../money.ts';
import { RequestError } from '../request-error.ts';
import { readRoute } from './read-route.ts';
import type { Route } from './route.ts';

const wei = z.string();
const epochSchema = z.strictObject({
  epoch: z.number().int(),
  root: z.string(),
  total: wei,
  /** Unix seconds. */
  ready_at: z.number().int().nullable(),
  state: z.enum(['pending', 'current', 'past', 'cancelled']),
});
const epochsSchema = z.strictObject({ object: z.literal('list'), data: z.array(epochSchema) });
const leavesSchema = z.strictObject({
  operator: z.string(),
  epoch: z.number().int(),
  root: z.string(),
  total: wei,
  /** In the tree's order; IPayroll says how they are hashed. */
  leaves: z.array(z.strictObject({ account: z.string(), cumulative: wei, next: z.string() })),
});
const earningsSchema = z.strictObject({
  account: z.string(),
  /** In no root yet. */
  earned: wei,
  /** In a root whose window is open. */
  pending: wei,
  claimable: wei,
  paid: wei,
  payout: z.string().nullable(),
  /** For the account's next signature. */
  nonce: z.string(),
  direct: z.array(z.strictObject({ payer: z.string(), session_key: z.string(), claimed: wei, paid_out: wei })),
});

export function payrollRoutes({ payroll }: Money): Route[] {
  const epochs = readRoute(
    '/v1/payroll/:operator/epochs',
    {
      summary: 'The payroll roots of an operator',
      parameters: [{ name: 'operator', description: 'Address of the operator' }],
      answer: 'The roots, oldest first',
      schema: epochsSchema,
    },
    async (c) => {
      const found = await payroll.epochs(addressOf(c, 'operator'));
      const data = found.map(({ readyAt, total, ...epoch }) => ({ ...epoch, total: total.toString(), ready_at: readyAt }));
      return { object: 'list' as const, data };
    },
  );
  const leaves = readRoute(
    '/v1/payroll/epochs/:epoch',
    {
      summary: 'All leaves of one of this relay’s roots, for download',
      parameters: [{ name: 'epoch', description: 'Number of the epoch' }],
      answer: 'The leaves',
      schema: leavesSchema,
    },
    async (c) => {
      const text = c.req.param('epoch') ?? '';
      const found = /^[0-9]{1,9}$/.test(text) ? await payroll.leaves(Number(text)) : null;
      if (!found) throw new VesselError('not_found', 'There is no root for this epoch.');
      c.header('content-disposition', `attachment; filename="payroll-${found.epoch}.json"`);
      const list = found.leaves.map((leaf) => ({ ...leaf, cumulative: leaf.cumulative.toString() }));
      return { ...found, total: found.total.toString(), leaves: list };
    },
  );
  const earnings = readRoute(
    '/v1/accounts/:address/earnings',
    {
      summary: 'What an account has earned, and where that is',
      parameters: [{ name: 'address', description: 'An account: a wallet, or a device key’s' }],
      answer: 'Amounts in wei',
      schema: earningsSchema,
    },
    async (c) => {
      const account = addressOf(c, 'address');
      return { account, ...describe(await payroll.earnings(account)) };
    },
  );
  return [epochs, leaves, earnings];
}

function describe({ earned, pending, claimable, paid, payout, nonce, direct }: Earnings) {
  return {
    earned: earned.toString(),
    pending: pending.toString(),
    claimable: claimable.toString(),
    paid: paid.toString(),
    payout,
    nonce: nonce.toString(),
    direct: direct.map(({ payer, sessionKey, claimed, paidOut }) => ({
      payer,
      session_key: sessionKey,
      claimed: claimed.toString(),
      paid_out: paidOut.toString(),
    })),
  };
}

function addressOf(c: HttpContext, param: string) {
  const parsed = addressParam.safeParse(c.req.param(param));
  if (parsed.success) return parsed.data;
  throw new RequestError('bad_request', `'${param}' must be 0x and 40 hex digits.`, { param });
}
