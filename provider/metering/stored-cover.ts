/** A kept cover as text: amounts are bigints, which JSON does not have. What cannot be read any more reads as null. */
import { z } from 'zod';
import { sessionId } from '../../shared/protocol/ids.ts';
import { paymentSchema, paymentSourceSchema, receiptSchema, wei } from '../../shared/protocol/payment-messages.ts';
import { stringifyMessage } from '../../shared/protocol/stringify-message.ts';
import type { StoredCover } from './metering-ports.ts';

const coverSchema = z.strictObject({
  source: paymentSourceSchema,
  payment: paymentSchema,
  used: wei,
  receipt: receiptSchema.nullable(),
  session: sessionId.nullable(),
});

export function writeStoredCover(cover: StoredCover): string {
  return stringifyMessage(cover);
}

export function readStoredCover(text: string): StoredCover | null {
  try {
    return coverSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
