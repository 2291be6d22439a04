/** What an account is called: the last 20 bytes of keccak-256 over a public key's X ‖ Y, for secp256k1 and P-256 alike (design P1). */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { toHex } from './eip712.ts';
import type { Address } from './hex.ts';

/** `publicKey`: anything that ends in X ‖ Y, such as an uncompressed point or a P-256 SubjectPublicKeyInfo. */
export function accountOf(publicKey: Uint8Array): Address {
  return toHex(keccak_256(publicKey.slice(-64)).slice(-20));
}
