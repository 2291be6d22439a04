/** Signatures of device keys: P-256 over sha-256 of the digest, 64 bytes r ‖ s, low s, which the chain demands and WebCrypto does not care for. */
import { base64url } from 'multiformats/bases/base64';
import { concatBytes } from '../protocol/bytes.ts';
import type { ReceiptMessage } from '../protocol/payment-types.ts';
import { accountOf } from './account.ts';
import { receiptDigest } from './digests.ts';
import { fromHex, toHex } from './eip712.ts';
import type { Address, Hex } from './hex.ts';
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
export function isReceiptSigned(place: ChainPlace, signed: ReceiptMessage, verify: VerifyDevice): Promise<boolean> {
  return new ReceiptCheck(place, verify).signed(signed);
}

/** The same for many receipts of one key, which is read once: `verify` gets the same bytes each time. */
export class ReceiptCheck {
  readonly #place: ChainPlace;
  readonly #verify: VerifyDevice;
  #known: { text: string; key: Uint8Array<ArrayBuffer>; account: Address } | null = null;

  constructor(place: ChainPlace, verify: VerifyDevice) {
    this.#place = place;
    this.#verify = verify;
  }

  async signed({ receipt, key: text, signature }: ReceiptMessage): Promise<boolean> {
    if (this.#known?.text !== text) {
      const key = readDeviceKey(text);
      if (!key) return false;
      this.#known = { text, key, account: accountOf(key) };
    }
    const { key, account } = this.#known;
    if (account !== receipt.account || lowS(signature) !== signature) return false;
    return this.#verify(key, fromHex(receiptDigest(this.#place, receipt), 32), fromHex(signature, 64));
  }
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
