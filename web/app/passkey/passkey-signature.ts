/** What a passkey's answer proves, in the form the Accounts contract takes it. Loaded when a passkey is used: it brings the curve along. */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '../../../shared/protocol/bytes.ts';
import { toHex } from '../../../shared/receipts/eip712.ts';
import type { Hex } from '../../../shared/receipts/hex.ts';

/** AuthenticatorAssertionResponse, as far as it matters here. */
export interface Assertion {
  authenticatorData: Uint8Array;
  clientDataJSON: Uint8Array;
  /** ASN.1 DER, s high or low. */
  signature: Uint8Array;
}

/** IAccounts.PasskeySignature without the key; indexes are decimal text, as the relay's API takes them. */
export interface PasskeyProof {
  r: Hex;
  /** Low, as the contract demands. */
  s: Hex;
  challengeIndex: string;
  typeIndex: string;
  authenticatorData: Hex;
  clientDataJSON: string;
}

export interface KeyPoint {
  x: Hex;
  y: Hex;
}

/** RangeError or Error for what no authenticator answers. */
export function readProof({ authenticatorData, clientDataJSON, signature }: Assertion): PasskeyProof {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(clientDataJSON);
  const { r, s } = p256.Signature.fromBytes(signature, 'der');
  const order = p256.Point.Fn.ORDER;
  return {
    r: word(r),
    s: word(s > order / 2n ? order - s : s),
    // Browsers write these two first and in ASCII, so characters are bytes.
    challengeIndex: `${text.indexOf('"challenge":"')}`,
    typeIndex: `${text.indexOf('"type":"webauthn.get"')}`,
    authenticatorData: toHex(authenticatorData),
    clientDataJSON: text,
  };
}

/**
 * The keys that may have signed. A passkey tells its public key only when it is made; a signature leaves two, of which one is
 * known to the chain.
 */
export function signersOf({ authenticatorData, clientDataJSON, signature }: Assertion): KeyPoint[] {
  const digest = sha256(concatBytes([authenticatorData, sha256(clientDataJSON)]));
  const { r, s } = p256.Signature.fromBytes(signature, 'der');
  return [0, 1].flatMap((parity) => {
    try {
      const point = new p256.Signature(r, s, parity).recoverPublicKey(digest).toBytes(false);
      return [{ x: toHex(point.slice(1, 33)), y: toHex(point.slice(33)) }];
    } catch {
      // No point of the curve has this x.
      return [];
    }
  });
}

function word(value: bigint): Hex {
  return `0x${value.toString(16).padStart(64, '0')}`;
}
