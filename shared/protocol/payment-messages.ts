/** Money on the wire (SPEC PY rules): what the relay announces, what a hop asks, what the asker pays and what the hop signs for it. */
import { z } from 'zod';
import type { Address, Hex } from '../receipts/hex.ts';
import { account as accountText, sessionId } from './ids.ts';
import { limits } from './limits.ts';
import type { NetworkTerms, PaymentMessage, PaymentSource, ReceiptMessage } from './payment-types.ts';

/** Wei in decimal, as JSON has no integers of this size; below 2^96 like every amount on chain. */
export const wei = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,28})$/)
  .transform((text, context) => {
    const value = BigInt(text);
    if (value < 1n << 96n) return value;
    context.addIssue({ code: 'custom', message: 'larger than 2^96 - 1 wei' });
    return z.NEVER;
  });
const account = accountText.transform((text) => text as Address);
const hex = (pattern: RegExp) =>
  z
    .string()
    .regex(pattern)
    .transform((text) => text as Hex);
const bytes32 = hex(/^0x[0-9a-f]{64}$/);
/** Of a secp256k1 key: r ‖ s ‖ v, or EIP-2098. */
const signature = hex(/^0x(?:[0-9a-f]{128}|[0-9a-f]{130})$/);
const count = z.number().int().min(0).max(0xffff_ffff);

/** Wei per layer and position. */
export const askSchema = z.strictObject({ prompt: wei, output: wei });

/** A part of the compute price beside the hops: royalty receivers and the network. */
export const shareSchema = z.strictObject({ account, basisPoints: z.number().int().min(0).max(10_000) });

/** Announced in `welcome`. `null` there: a network without a chain, where everything is free. */
export const networkTermsSchema = z.strictObject({
  chainId: z.number().int().min(1),
  aic: account,
  ledger: account,
  payroll: account,
  accounts: account,
  asset: account,
  registry: account,
  /** Whose payroll pays for what the relay's own HTTP API asks. */
  operator: account,
  /** Signs payroll credits; the operator itself if it names no publisher. */
  publisher: account,
  /** What providers ask who name no price of their own. */
  ask: askSchema,
});

/** In `open`: where the money for this session comes from. Left out: nothing is paid, and only hops that ask nothing agree. */
export const paymentSourceSchema = z.discriminatedUnion('kind', [
  /** A payer's escrow, drawn by vouchers of a session key it authorized. */
  z.strictObject({ kind: z.literal('voucher'), payer: account, sessionKey: account }),
  /** The relay's payroll, promised by credits its publisher signs. */
  z.strictObject({ kind: z.literal('credit'), operator: account }),
]);

/** The body of an asker's `pay`: everything promised to this hop by this source so far, over all sessions. */
export const paymentSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('voucher'),
    voucher: z.strictObject({
      payer: account,
      total: wei,
      payments: z
        .array(z.strictObject({ payee: account, cumulative: wei }))
        .min(1)
        .max(limits.maxHops + limits.maxShares),
    }),
    signature,
  }),
  z.strictObject({
    kind: z.literal('credit'),
    credit: z.strictObject({ operator: account, account, cumulative: wei, epoch: count }),
    signature,
  }),
]);

/** What a hop did so far, signed by its device key (HopReceipt). `key`: its SubjectPublicKeyInfo, base64url. */
export const receiptSchema = z.strictObject({
  receipt: z.strictObject({
    session: bytes32,
    model: bytes32,
    account,
    fromLayer: z.number().int().min(0).max(0xffff),
    toLayer: z.number().int().min(1).max(0xffff),
    batch: count,
    epoch: count,
    promptPositions: count,
    outputPositions: count,
    amount: wei,
    commitment: bytes32,
  }),
  key: z
    .string()
    .regex(/^[A-Za-z0-9_-]+$/)
    .max(200),
  /** r ‖ s, low s. */
  signature: hex(/^0x[0-9a-f]{128}$/),
});

/** To be joined into the order messages. */
export const payFields = { type: z.literal('pay'), session: sessionId, payment: paymentSchema };
export const receiptFields = { type: z.literal('receipt'), session: sessionId, signed: receiptSchema };

// The types are written out, so that what the SDK publishes needs no schema library; here the compiler compares them.
networkTermsSchema satisfies z.ZodType<NetworkTerms>;
paymentSourceSchema satisfies z.ZodType<PaymentSource>;
paymentSchema satisfies z.ZodType<PaymentMessage>;
receiptSchema satisfies z.ZodType<ReceiptMessage>;
