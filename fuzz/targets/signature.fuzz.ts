/** secp256k1 signatures as text. One that recovers to a signer must check out as that signer's. */
import { equal, match } from 'node:assert/strict';
import type { Hex } from '../../shared/receipts/hex.ts';
import { recoverSigner, SignerCheck, signDigest } from '../../shared/receipts/secp-signature.ts';
import type { TextTarget } from '../engine/target.ts';

const digest: Hex = `0x${'5a'.repeat(32)}`;
const good = signDigest(digest, `0x${'11'.repeat(32)}`);

export const target: TextTarget = {
  name: 'signature',
  form: 'text',
  maxLength: 400,
  seeds: [good, good.slice(0, 130), `0x${'00'.repeat(65)}`, `0x${'ff'.repeat(64)}1c`],
  refusals: [],
  decode(text) {
    const signer = recoverSigner(digest, text as Hex);
    if (signer === null) return 'none';
    match(signer, /^0x[0-9a-f]{40}$/);
    const check = new SignerCheck(signer);
    equal(check.signed(digest, text as Hex), true);
    equal(check.signed(digest, text as Hex), true);
    return 'signer';
  },
};
