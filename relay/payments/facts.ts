/** The facts that payments keep in the Ledger beside its entries: their keys, and how each reads back. */
import { z } from 'zod';
import { account as accountText } from '../../shared/protocol/ids.ts';
import { paymentSchema, receiptSchema, wei } from '../../shared/protocol/payment-messages.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { toLedgerJson } from '../ledger/check-entry.ts';

export const account = accountText as unknown as z.ZodType<Address, string>;
const signature = z.string().regex(/^0x[0-9a-f]{128,130}$/) as unknown as z.ZodType<Hex, string>;
const epoch = z.number().int().min(0).max(0xffff_ffff);

/** Newest credit signed for an account. */
export const creditFact = z.strictObject({ operator: account, account, cumulative: wei, epoch, signature });
export type CreditFact = z.infer<typeof creditFact>;

/** Newest voucher of a session key that this relay holds: everything charged to it, payable to the operator. */
export const chargeFact = z.strictObject({ payer: account, sessionKey: account, cumulative: wei, signature });
export type ChargeFact = z.infer<typeof chargeFact>;

/** An epoch as it was when it was closed. */
export const epochFact = z.strictObject({
  epoch,
  /** Root's accounts, with what this root adds and how much of that no receipt stands for. */
  lines: z.array(z.strictObject({ account, cumulative: wei, added: wei, float: z.string().transform(BigInt) })),
  /** Transactions that cancelled this epoch's root with a credit that was not in it, and now is. */
  corrections: z.array(z.strictObject({ transaction: z.string(), credit: creditFact })).default([]),
});
export type EpochFact = z.infer<typeof epochFact>;

/** Vouchers that are being collected. */
export const collectFact = z.strictObject({ id: z.string(), charges: z.array(chargeFact) });
export type CollectFact = z.infer<typeof collectFact>;

const amounts = z.record(accountText, wei).transform((all) => all as Partial<Record<Address, bigint>>);

/** What a session key of somebody else promised to others, handed in by the hops that earned it. */
export const directFact = z.strictObject({
  payer: account,
  sessionKey: account,
  vouchers: z.array(paymentSchema),
  /** Per account, what shares of the receipts handed in come to. */
  due: amounts,
  /** Per payee, as booked. */
  claimed: amounts,
  paidOut: amounts,
});
export type DirectFact = z.infer<typeof directFact>;

export const receiptFact = receiptSchema;

export const keys = {
  openEpoch: 'epoch:open',
  closingEpoch: 'epoch:closing',
  acceptedEpoch: 'epoch:accepted',
  closedAtMs: 'epoch:closed-at',
  epoch: (number: number) => `epoch-lines:${number}`,
  payroll: (number: number) => `payroll:${number}`,
  credits: 'credit:',
  credit: (name: Address) => `credit:${name}`,
  charges: 'charge:',
  charge: (payer: Address, sessionKey: Address) => `charge:${payer}:${sessionKey}`,
  /** Paid out to the operator and booked. */
  collected: (payer: Address, sessionKey: Address) => `collected:${payer}:${sessionKey}`,
  collecting: 'collecting',
  directs: 'direct:',
  direct: (payer: Address, sessionKey: Address) => `direct:${payer}:${sessionKey}`,
  directReceipts: (payer: Address, sessionKey: Address, session: string) => `direct-receipt:${payer}:${sessionKey}:${session}:`,
  /** Every key that has signed credits for the operator here. */
  publishers: 'publisher:',
  eventBlock: 'events:next-block',
  /** Epoch of the newest root that was proposed on chain: what forfeits are from. */
  proposedEpoch: 'events:proposed-epoch',
  /** One for each transaction that cancelled this epoch's root. */
  cancelled: (number: number) => `cancelled:${number}:`,
  /** Forfeited from what this epoch's root adds for the account. */
  held: (number: number, name: Address) => `held:${number}:${name}`,
  /** Id of the entry of a forfeit. */
  verdict: (verdict: Hex, name: Address) => `verdict:${verdict}:${name}`,
} as const;

export function readFact<T>(schema: z.ZodType<T>, text: string): T {
  return schema.parse(JSON.parse(text));
}

export const writeFact = toLedgerJson;
