/** Whether signed papers are what they should be. Each fault is a sentence that names where it is. */
import { verifySignature } from '../../sdk/net/device-key.ts';
import type { PaymentMessage } from '../../shared/protocol/payment-types.ts';
import { isReceiptSigned } from '../../shared/receipts/device-signature.ts';
import { creditDigest, voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { sessionWord } from '../../shared/receipts/ids.ts';
import { recoverSigner } from '../../shared/receipts/secp-signature.ts';
import type { ChainPlace, PayrollCredit } from '../../shared/receipts/typed-data.ts';
import type { AnswerEvidence } from './answer-entry.ts';
import type { ChargeFact, CreditFact } from './facts.ts';
import { chargeVoucher } from './party-book.ts';

/** Receipts of this session, each hop once, signed, within what was promised; credits and voucher signed. */
export async function checkAnswerPapers(
  id: string,
  { session, receipts, payments, charge }: AnswerEvidence,
  place: ChainPlace,
  operator: Address,
  publishers: readonly Address[],
): Promise<string[]> {
  const faults: string[] = [];
  const seen = new Set<string>();
  const earned = new Map<string, bigint>();
  for (const signed of receipts) {
    const { receipt } = signed;
    const hop = `${receipt.account}:${receipt.fromLayer}`;
    if (receipt.session !== sessionWord(session)) faults.push(`${id}: a receipt of ${receipt.account} is of another session.`);
    if (seen.has(hop)) faults.push(`${id}: ${receipt.account} has two receipts for the same layers.`);
    if (!(await isReceiptSigned(place, signed, verifySignature)))
      faults.push(`${id}: a receipt of ${receipt.account} is not signed by it.`);
    seen.add(hop);
    earned.set(receipt.account, (earned.get(receipt.account) ?? 0n) + receipt.amount);
  }
  const promised = new Map<string, bigint>();
  for (const payment of payments) if (payment.kind === 'credit') promised.set(payment.credit.account, payment.credit.cumulative);
  for (const payment of payments) faults.push(...checkPayment(id, payment, place, operator, publishers));
  for (const [account, amount] of earned) {
    if ((promised.get(account) ?? 0n) < amount) faults.push(`${id}: ${account} earned more than it was promised.`);
  }
  return [...faults, ...checkCharge(charge, place, operator).map((fault) => `${id}: ${fault}`)];
}

function checkPayment(
  id: string,
  payment: PaymentMessage,
  place: ChainPlace,
  operator: Address,
  publishers: readonly Address[],
): string[] {
  if (payment.kind !== 'credit') return [`${id}: it was paid for by a voucher of somebody else.`];
  const signature = payment.signature as Hex;
  return checkCredit({ ...(payment.credit as PayrollCredit), signature }, place, operator, publishers).map(
    (fault) => `${id}: ${fault}`,
  );
}

/** `publishers`: who may sign for the operator, or could at the time. */
export function checkCredit(
  { signature, ...credit }: CreditFact,
  place: ChainPlace,
  operator: Address,
  publishers: readonly Address[],
): string[] {
  const signer = recoverSigner(creditDigest(place, credit), signature);
  const isSigned = signer !== null && publishers.includes(signer) && credit.operator === operator;
  return isSigned
    ? []
    : [`The credit of ${credit.account} over ${credit.cumulative} wei is not signed by the operator's publisher.`];
}

export function checkCharge(charge: ChargeFact, place: ChainPlace, operator: Address): string[] {
  const signer = recoverSigner(voucherDigest(place, chargeVoucher(charge, operator)), charge.signature);
  return signer === charge.sessionKey
    ? []
    : [`The voucher of ${charge.sessionKey} over ${charge.cumulative} wei is not signed by it.`];
}
