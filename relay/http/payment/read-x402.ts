/** A PAYMENT-SIGNATURE header, checked against the offer: everything about it but whether the money is there. */
import { decodePaymentSignatureHeader } from '@x402/core/http';
import { authorizationTypes } from '@x402/evm';
import { hashTypedData } from 'viem';
import { z } from 'zod';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { httpLimits } from '../http-limits.ts';
import type { Money, SignedTransfer } from '../money.ts';
import { RequestError } from '../request-error.ts';
import { x402Requirements } from './x402-offer.ts';

const lowerHex = z
  .string()
  .regex(/^0x[0-9a-fA-F]*$/)
  .toLowerCase();
const address = lowerHex.length(42).transform((text) => text as Address);
const hex = lowerHex.transform((text) => text as Hex);
const amount = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,77})$/)
  .transform(BigInt);

/** Clients add to it; only what is used is looked at. */
const payloadSchema = z.object({
  x402Version: z.literal(2),
  accepted: z.object({ scheme: z.literal('exact'), network: z.string().max(64), asset: address, payTo: address, amount }),
  payload: z.object({
    signature: hex.refine((text) => text.length <= httpLimits.signatureChars, { message: 'too long' }),
    authorization: z.object({
      from: address,
      to: address,
      value: amount,
      validAfter: amount,
      validBefore: amount,
      nonce: hex.refine((text) => text.length === 66, { message: 'must have 32 bytes' }),
    }),
  }),
});

/**
 * @param needed wei that the payment must bring at least
 * @param nowSeconds Unix time
 * @throws RequestError `payment_required` with what is wrong
 */
export async function readX402(header: string, needed: bigint, money: Money, nowSeconds: number): Promise<SignedTransfer> {
  const { accepted, payload } = parsePayload(header);
  const { authorization, signature } = payload;
  const wanted = x402Requirements(money, needed);
  if (!wanted) throw refusal('This relay takes no x402 payments at the moment: use an API key.');
  const isOffer =
    accepted.network === wanted.network && accepted.asset === wanted.asset && accepted.payTo === wanted.payTo.toLowerCase();
  if (!isOffer || authorization.to !== accepted.payTo || authorization.value !== accepted.amount) {
    throw refusal('The payment was made out for another offer than this relay’s: take the one in PAYMENT-REQUIRED.');
  }
  if (authorization.value < needed || authorization.value >= 1n << 96n) {
    throw refusal(`The payment is of ${authorization.value} wei; this request needs ${needed}.`);
  }
  // The settlement itself takes its time: what expires during it would be lost work.
  if (authorization.validBefore <= BigInt(nowSeconds + httpLimits.x402MarginSeconds)) {
    throw refusal('The payment’s signature has expired, or is about to: sign a new one.');
  }
  if (authorization.validAfter > BigInt(nowSeconds)) throw refusal('The payment’s signature is not valid yet.');
  const transfer = { ...authorization, signature };
  if (!(await money.wallets.verifyDigest(transfer.from, digestOf(transfer, money), signature))) {
    throw refusal('The payment is not signed by the wallet it draws on.');
  }
  return transfer;
}

function parsePayload(header: string) {
  if (header.length > httpLimits.x402HeaderChars) throw refusal('The PAYMENT-SIGNATURE header is too long.');
  let decoded: unknown;
  try {
    decoded = decodePaymentSignatureHeader(header);
  } catch {
    throw refusal('The PAYMENT-SIGNATURE header is not a payment of x402 version 2.');
  }
  const parsed = payloadSchema.safeParse(decoded);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw refusal(`The x402 payment is not valid: ${issue.path.join('.')}: ${issue.message}.`);
}

function digestOf({ signature: _, ...message }: SignedTransfer, { payments, x402 }: Money): Hex {
  const { chainId, aic } = payments.terms;
  return hashTypedData({
    domain: { ...x402.token, chainId, verifyingContract: aic as Address },
    types: authorizationTypes,
    primaryType: 'TransferWithAuthorization',
    message,
  });
}

function refusal(message: string): RequestError {
  return new RequestError('payment_required', message);
}
