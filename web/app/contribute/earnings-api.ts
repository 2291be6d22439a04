/** What an account has earned, as the relay tells it. */
import { z } from 'zod';
import { account } from '../../../shared/protocol/ids.ts';
import { wei } from '../../../shared/protocol/payment-messages.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { relayFetch } from '../money/relay-fetch.ts';

const address = account.transform((text) => text as Address);
const earningsSchema = z.object({
  earned: wei,
  pending: wei,
  claimable: wei,
  paid: wei,
  payout: address.nullable(),
  nonce: z
    .string()
    .regex(/^[0-9]+$/)
    .transform(BigInt),
  direct: z.array(z.object({ claimed: wei, paid_out: wei })),
});
const epochsSchema = z.object({
  data: z.array(z.object({ epoch: z.number().int(), state: z.enum(['pending', 'current', 'past', 'cancelled']) })),
});

/** Wei. */
export interface Earnings {
  earned: bigint;
  pending: bigint;
  claimable: bigint;
  paid: bigint;
  payout: Address | null;
  nonce: bigint;
}

/** By the payroll and by vouchers, together. */
export async function readEarnings(of: Address): Promise<Earnings> {
  const { direct, claimable, paid, ...rest } = await relayFetch(`/v1/accounts/${of}/earnings`, earningsSchema);
  const directPaid = direct.reduce((sum, { paid_out }) => sum + paid_out, 0n);
  const directClaimed = direct.reduce((sum, { claimed }) => sum + claimed, 0n);
  return { ...rest, claimable: claimable + directClaimed - directPaid, paid: paid + directPaid };
}

/** The newest root that counts or will; null before the first. */
export async function newestEpoch(operator: string): Promise<number | null> {
  const { data } = await relayFetch(`/v1/payroll/${operator}/epochs`, epochsSchema);
  return data.findLast(({ state }) => state === 'current' || state === 'pending')?.epoch ?? null;
}
