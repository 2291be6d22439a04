/** A cover that a tab has kept: null for what cannot be read, and what can be read is written back as it was. */
import { equal } from 'node:assert/strict';
import { readStoredCover, writeStoredCover } from '../../provider/metering/stored-cover.ts';
import type { TextTarget } from '../engine/target.ts';
import { at, creditPayment, session, signedReceipt, voucherPayment } from '../samples/message-samples.ts';

export const target: TextTarget = {
  name: 'stored-cover',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: [
    {
      source: { kind: 'voucher', payer: at('4'), sessionKey: at('6') },
      payment: voucherPayment,
      used: '12',
      receipt: signedReceipt,
      session,
    },
    { source: { kind: 'credit', operator: at('1') }, payment: creditPayment, used: '0', receipt: null, session: null },
  ].map((cover) => JSON.stringify(cover)),
  refusals: [],
  decode(text) {
    const cover = readStoredCover(text);
    if (!cover) return 'null';
    const written = writeStoredCover(cover);
    equal(writeStoredCover(readStoredCover(written)!), written);
    return cover.source.kind;
  },
};
