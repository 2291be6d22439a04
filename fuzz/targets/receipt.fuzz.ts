/** A hop's signed receipt. The signature itself passes, so that everything before it is reached. */
import { receiptSchema } from '../../shared/protocol/payment-messages.ts';
import { accountOf } from '../../shared/receipts/account.ts';
import { deviceKeyPoint, isReceiptSigned } from '../../shared/receipts/device-signature.ts';
import type { TextTarget } from '../engine/target.ts';
import { place } from '../samples/chain-place.ts';
import { signedReceipt } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

/** P-256 SubjectPublicKeyInfo of the point (1, 2): no check here looks at the curve. */
const spki = Buffer.from(`3059301306072a8648ce3d020106082a8648ce3d03010703420004${'01'.repeat(32)}${'02'.repeat(32)}`, 'hex');
const own = {
  ...signedReceipt,
  key: spki.toString('base64url'),
  receipt: { ...signedReceipt.receipt, account: accountOf(spki) },
};

const base = messageTarget('receipt', receiptSchema, [signedReceipt, own], async (signed) => {
  const isSigned = await isReceiptSigned(
    place,
    signed,
    async (_key, message, signature) => message.length === 32 && signature.length === 64,
  );
  return `${isSigned} ${deviceKeyPoint(signed.key) === null}`;
});
export const target: TextTarget = base;
