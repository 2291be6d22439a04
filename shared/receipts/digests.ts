/** What each signature about money is made over. Amounts in wei, addresses lower-case hex; RangeError for what does not fit its type. */
import { typedDigest } from './eip712.ts';
import type { Hex } from './hex.ts';
import {
  type AddKey,
  type Authorization,
  accountsDomain,
  type ChainPlace,
  type HopReceipt,
  ledgerDomain,
  type PayrollCredit,
  payrollDomain,
  type SetPayout,
  type Voucher,
} from './typed-data.ts';

export function voucherDigest(place: ChainPlace, voucher: Voucher): Hex {
  return typedDigest(ledgerDomain(place), 'Voucher', voucher);
}

export function authorizationDigest(place: ChainPlace, authorization: Authorization): Hex {
  return typedDigest(ledgerDomain(place), 'Authorization', authorization);
}

export function receiptDigest(place: ChainPlace, receipt: HopReceipt): Hex {
  return typedDigest(ledgerDomain(place), 'HopReceipt', receipt);
}

export function creditDigest(place: ChainPlace, credit: PayrollCredit): Hex {
  return typedDigest(payrollDomain(place), 'PayrollCredit', credit);
}

export function setPayoutDigest(place: ChainPlace, message: SetPayout): Hex {
  return typedDigest(accountsDomain(place), 'SetPayout', message);
}

export function addKeyDigest(place: ChainPlace, message: AddKey): Hex {
  return typedDigest(accountsDomain(place), 'AddKey', message);
}
