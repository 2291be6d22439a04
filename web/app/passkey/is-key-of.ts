/** Accounts.isKeyOf through the relay's node. By hand: a contract library would be most of what this panel loads. */
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { relayFetch } from '../money/relay-fetch.ts';

/** Of isKeyOf(address,address). */
export const selector = '0x7fc13437';

const answerSchema = z.object({ result: z.string().regex(/^0x[0-9a-f]{64}$/) });

/** @throws VesselError `chain_unavailable` when the chain does not say */
export async function isKeyOf({ accounts }: NetworkTerms, account: Address, key: Address): Promise<boolean> {
  const data = `${selector}${word(account)}${word(key)}`;
  const body = { jsonrpc: '2.0', id: 1, method: 'eth_call', params: [{ to: accounts, data }, 'latest'] };
  const answer = answerSchema.safeParse(await relayFetch('/v1/chain', z.unknown(), { method: 'POST', body }));
  if (!answer.success) throw new VesselError('chain_unavailable', undefined, { cause: answer.error });
  return BigInt(answer.data.result) === 1n;
}

function word(address: Address): string {
  return address.slice(2).padStart(64, '0');
}
