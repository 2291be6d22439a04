/** The device says where its account is paid: its own key signs, and the relay brings that to the chain, at the relay's cost. */
import { base64url } from 'multiformats/bases/base64';
import { z } from 'zod';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import { accountOf } from '../../../shared/receipts/account.ts';
import { type DigestSigner, deviceKeyPoint, signWithDevice } from '../../../shared/receipts/device-signature.ts';
import { setPayoutDigest } from '../../../shared/receipts/digests.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { relayFetch } from '../money/relay-fetch.ts';

/** Longer than any chain takes, short enough that a signature lost on the way is soon worth nothing. */
const validSeconds = 600;

export interface PayoutOrder {
  payout: Address;
  /** Of the account, as the chain has it now. */
  nonce: bigint;
  nowMs: number;
}

/** Resolves when the chain has it. */
export async function namePayout(
  device: DigestSigner,
  terms: NetworkTerms,
  { payout, nonce, nowMs }: PayoutOrder,
): Promise<void> {
  const account = accountOf(device.publicKey);
  const deadline = BigInt(Math.floor(nowMs / 1000) + validSeconds);
  const signature = await signWithDevice(setPayoutDigest(terms, { account, payout, nonce, deadline }), device);
  const body = {
    kind: 'set-payout',
    account,
    payout,
    deadline: deadline.toString(),
    by: 'device',
    signature: {
      ...deviceKeyPoint(base64url.baseEncode(device.publicKey)),
      r: signature.slice(0, 66),
      s: `0x${signature.slice(66)}`,
    },
  };
  await relayFetch('/v1/accounts/payout', z.object({ transaction: z.string() }), { method: 'POST', body });
}
