/** Vouchers and payroll credits: parsed, then hashed as they are signed. */
import { match } from 'node:assert/strict';
import { paymentSchema } from '../../shared/protocol/payment-messages.ts';
import { creditDigest, voucherDigest } from '../../shared/receipts/digests.ts';
import { place } from '../samples/chain-place.ts';
import { creditPayment, voucherPayment } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('payment', paymentSchema, [voucherPayment, creditPayment], (payment) => {
  const digest = payment.kind === 'voucher' ? voucherDigest(place, payment.voucher) : creditDigest(place, payment.credit);
  match(digest, /^0x[0-9a-f]{64}$/);
  return payment.kind;
});
