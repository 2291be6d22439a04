/** What a contract reverted with, as a node tells it: always words for a person. */
import { describeRevert } from '../../relay/chain/contract-calls.ts';
import type { Hex } from '../../shared/receipts/hex.ts';
import type { BytesTarget } from '../engine/target.ts';

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

export const target: BytesTarget = {
  name: 'revert-data',
  form: 'bytes',
  maxLength: 1024,
  seeds: [
    fromHex(`08c379a0${'20'.padStart(64, '0')}${'3'.padStart(64, '0')}${'616263'.padEnd(64, '0')}`),
    fromHex(`4e487b71${'11'.padStart(64, '0')}`),
    new Uint8Array(0),
  ],
  refusals: [],
  decode(bytes) {
    return describeRevert(`0x${Buffer.from(bytes).toString('hex')}` as Hex).slice(0, 20);
  },
};
