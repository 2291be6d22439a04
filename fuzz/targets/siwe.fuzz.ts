/** A sign-in message (EIP-4361) whose signature always passes: what is wrong must show in the message. */

import { SignIns } from '../../relay/http/auth/sign-ins.ts';
import type { Hex } from '../../shared/receipts/hex.ts';
import type { TextTarget } from '../engine/target.ts';

const nowMs = Date.UTC(2026, 0, 1);
const nonce = '07'.repeat(16);
const message = (more = '') =>
  `localhost:8787 wants you to sign in with your Ethereum account:\n0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1\n\nWelcome.\n\nURI: http://localhost:8787/\nVersion: 1\nChain ID: 31337\nNonce: ${nonce}\nIssued At: 2026-01-01T00:00:00.000Z${more}`;

export const target: TextTarget = {
  name: 'siwe',
  form: 'text',
  maxLength: 4096,
  seeds: [
    message(),
    message(
      '\nExpiration Time: 2026-01-01T01:00:00.000Z\nNot Before: 2025-12-31T23:59:59.000Z\nRequest ID: 1\nResources:\n- https://example.com/a',
    ),
  ],
  words: ['Expiration Time: ', 'Not Before: ', 'Request ID: ', 'Resources:', 'Chain ID: ', 'https://', '\n', '[::1]', '@'],
  refusals: ['unauthorized'],
  async decode(text) {
    const wallets = { verifyMessage: async () => true, verifyDigest: async () => true };
    const randomBytes = (count: number) => new Uint8Array(count).fill(7);
    const signIns = new SignIns({ wallets, chainId: 31_337, domains: () => ['localhost:8787'], clock: () => nowMs, randomBytes });
    signIns.nonce();
    const { address } = await signIns.verify(text, '0x00' as Hex);
    if (!/^0x[0-9a-f]{40}$/.test(address)) throw new Error(`signed in as ${address}`);
    return 'signed in';
  },
};
