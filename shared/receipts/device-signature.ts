/** Signatures of device keys: P-256 over sha-256 of the digest, 64 bytes r ‖ s, low s, which the chain demands and WebCrypto does not care for. */
import { base64url } from 'multiformats/bases/base64';
import { concatBytes, hexToBytes } from '../protocol/bytes.ts';
import type { ReceiptMessage } from '../protocol/payment-types.ts';
import { accountOf } from './account.ts';
import { receiptDigest } from './digests.ts';
import { fromHex, toHex } from './eip712.ts';
import type { Hex } from './hex.ts';
import type { ChainPlace, HopReceipt } from './typed-data.ts';

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** A SubjectPublicKeyInfo of an uncompressed P-256 point begins like this, and then come X and Y. */
const spkiPrefix = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';

/** A device key, wherever it is kept (sdk/net/device-key.ts). */
export interface DigestSigner {
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Raw r ‖ s over sha-256 of `message`. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** WebCrypto's check, passed in: false for what is no key or not its signature. */
export type VerifyDevice = (
  publicKey: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
) => Promise<boolean>;

export async function signWithDevice(digest: Hex, signer: DigestSigner): Promise<Hex> {
  return lowS(toHex(await signer.sign(fromHex(digest, 32))));
}

export async function signReceipt(place: ChainPlace, receipt: HopReceipt, signer: DigestSigner): Promise<ReceiptMessage> {
  const signature = await signWithDevice(receiptDigest(place, receipt), signer);
  return { receipt, key: base64url.baseEncode(signer.publicKey), signature };
}

/** Whether the key is that of the receipt's account and signed it, with low s. */
export async function isReceiptSigned(place: ChainPlace, signed: ReceiptMessage, verify: VerifyDevice): Promise<boolean> {
  const key = readDeviceKey(signed.key);
  if (!key || accountOf(key) !== signed.receipt.account || lowS(signed.signature) !== signed.signature) return false;
  const digest = fromHex(receiptDigest(place, signed.receipt), 32);
  return verify(key, digest, hexToBytes(signed.signature.slice(2))!);
}

/** X and Y of a device key in base64url, as contracts take them; null for what is none. */
export function deviceKeyPoint(key: string): { x: Hex; y: Hex } | null {
  const bytes = readDeviceKey(key);
  return bytes && { x: toHex(bytes.slice(-64, -32)), y: toHex(bytes.slice(-32)) };
}

/** One key has one spelling: otherwise the account, which is made of X and Y alone, would have many. */
function readDeviceKey(key: string): Uint8Array<ArrayBuffer> | null {
  let bytes: Uint8Array;
  try {
    bytes = base64url.baseDecode(key);
  } catch {
    return null;
  }
  const isP256 = bytes.length === spkiPrefix.length / 2 + 64 && toHex(bytes).startsWith(`0x${spkiPrefix}`);
  return isP256 ? concatBytes([bytes]) : null;
}

/** s and order − s are both valid; the smaller one is the one that counts. */
function lowS(signature: Hex): Hex {
  const s = BigInt(`0x${signature.slice(66)}`);
  if (s <= order / 2n) return signature;
  return `0x${signature.slice(2, 66)}${(order - s).toString(16).padStart(64, '0')}`;
}
