/** What keys say about their account (IAccounts): they sign, and the relay brings it to the chain at its own cost. */
import { base64url } from 'multiformats/bases/base64';
import { z } from 'zod';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import { type DigestSigner, deviceKeyPoint, signWithDevice } from '../../../shared/receipts/device-signature.ts';
import { addKeyDigest, setPayoutDigest } from '../../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { readEarnings } from '../contribute/earnings-api.ts';
import { relayFetch } from '../money/relay-fetch.ts';

/** Longer than any chain takes, short enough that a signature lost on the way is soon worth nothing. */
const validSeconds = 600;

/** Either names a payout address or lets a further key speak for the account. */
export type Order = { payout: Address } | { key: Address };

/** Signs an order's digest in the form that the API calls `by` and `signature`. */
export type OrderSigner = (digest: Hex) => Promise<{ by: 'device' | 'passkey'; signature: object }>;

/** Resolves when the chain has it. */
export async function giveOrder(terms: NetworkTerms, account: Address, order: Order, sign: OrderSigner): Promise<void> {
  // Asked for now: whatever was signed since the page last looked has used one up.
  const { nonce } = await readEarnings(account);
  const deadline = BigInt(Math.floor(Date.now() / 1000) + validSeconds);
  const common = { account, nonce, deadline };
  const digest =
    'payout' in order ? setPayoutDigest(terms, { ...common, ...order }) : addKeyDigest(terms, { ...common, ...order });
  const kind = 'payout' in order ? 'set-payout' : 'add-key';
  const body = { kind, account, ...order, deadline: deadline.toString(), ...(await sign(digest)) };
  await relayFetch('/v1/accounts/payout', z.object({ transaction: z.string() }), { method: 'POST', body });
}

/** Signs for the device's own account, and for every account that has added it. */
export function byDevice(device: DigestSigner): OrderSigner {
  return async (digest) => {
    const signature = await signWithDevice(digest, device);
    const point = deviceKeyPoint(base64url.baseEncode(device.publicKey));
    return { by: 'device', signature: { ...point, r: signature.slice(0, 66), s: `0x${signature.slice(66)}` } };
  };
}
