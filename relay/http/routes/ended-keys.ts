/** Money that is still set aside on chain for keys that nobody can use here any more, and what brings it back. */
import { encodeFunctionData, parseAbi } from 'viem';
import { z } from 'zod';
import type { Address } from '../../../shared/receipts/hex.ts';
import type { HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { revokeCall } from '../keys/authorization-calls.ts';
import type { Money } from '../money.ts';

const ledgerAbi = parseAbi(['function release(address payer, address sessionKey)']);

/** For the wallet to send. */
export const transactionSchema = z.strictObject({ chain_id: z.number().int(), to: z.string(), data: z.string() });
export const endedKeySchema = z.strictObject({
  /** Of the key; `x402` for what was paid without one. */
  id: z.string(),
  name: z.string(),
  session_key: z.string(),
  /** Wei set aside and not spent. */
  left: z.string(),
  /** Unix seconds from which `left` can be released; null: the chain still takes the key's vouchers, so end it there first. */
  releasable_at: z.number().int().nullable(),
  /** What to send next: `revoke` where the chain still takes the key, `release` where its claim window is over; null: wait. */
  transaction: transactionSchema.nullable(),
});
export type EndedKey = z.infer<typeof endedKeySchema>;

interface Candidate {
  id: string;
  name: string;
  sessionKey: Address;
  isRevoked: boolean;
}

export async function endedKeys({ keys }: HttpDeps, money: Money, payer: Address): Promise<EndedKey[]> {
  const candidates: Candidate[] = keys
    .list()
    .flatMap(({ id, name, payment, revokedMs }) =>
      payment?.payer === payer && payment.isAuthorized
        ? [{ id, name, sessionKey: payment.sessionKey, isRevoked: revokedMs !== null }]
        : [],
    )
    // Each is a question to the chain, and keys that were released stay in the list: the newest are those that matter.
    .slice(-2 * httpLimits.maxKeysPerPayer);
  const gate = money.x402.gate();
  if (gate) candidates.push({ id: 'x402', name: 'paid without a key (x402)', sessionKey: gate.sessionKey, isRevoked: false });
  const times = await money.escrow.times();
  return (await Promise.all(candidates.map((each) => lookAt(each, money, payer, times)))).flat();
}

async function lookAt(
  { id, name, sessionKey, isRevoked }: Candidate,
  { escrow, payments }: Money,
  payer: Address,
  { now, claimWindow }: { now: number; claimWindow: number },
): Promise<EndedKey[]> {
  const { cap, spent, expiry, closed } = await escrow.authorizationOf(payer, sessionKey);
  const charged = await payments.spentBy({ payer, sessionKey });
  const left = cap - (charged > spent ? charged : spent);
  const isLive = !closed && expiry > now;
  if (left <= 0n || (isLive && !isRevoked)) return [];
  const releasableAt = isLive ? null : expiry + claimWindow;
  const isOver = releasableAt !== null && releasableAt <= now;
  const { terms } = payments;
  const release = () => encodeFunctionData({ abi: ledgerAbi, functionName: 'release', args: [payer, sessionKey] });
  const transaction = isLive
    ? revokeCall(terms, sessionKey)
    : isOver
      ? { chain_id: terms.chainId, to: terms.ledger, data: release() }
      : null;
  return [{ id, name, session_key: sessionKey, left: left.toString(), releasable_at: releasableAt, transaction }];
}
