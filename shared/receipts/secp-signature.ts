/**
 * Signatures of wallets and session keys: secp256k1 over the digest itself, 65 bytes r ‖ s ‖ v with v 27 or 28, or 64 bytes
 * (EIP-2098). High s is refused, as the contracts do.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { concatBytes } from '../protocol/bytes.ts';
import { accountOf } from './account.ts';
import { fromHex, toHex } from './eip712.ts';
import type { Address, Hex } from './hex.ts';

const { Point } = secp256k1;
const { Fn } = Point;
type Point = InstanceType<typeof Point>;
/**
 * A key that comes back often gets a table of its multiples, which halves a check and costs about what it saves in twenty. So it is
 * built after twenty: a key that stops earlier has not paid for it, and none pays more than twice of what would have been best.
 */
const tableBits = 5;
const checksBeforeTable = 20;

export function signDigest(digest: Hex, privateKey: Hex): Hex {
  const signed = secp256k1.sign(fromHex(digest, 32), fromHex(privateKey, 32), { prehash: false, format: 'recovered' });
  return toHex(concatBytes([signed.subarray(1), Uint8Array.of(27 + signed[0]!)]));
}

export function addressOf(privateKey: Hex): Address {
  return accountOf(secp256k1.getPublicKey(fromHex(privateKey, 32), false));
}

/** Null for what is no signature. */
export function recoverSigner(digest: Hex, signature: Hex): Address | null {
  const point = recoverPoint(digest, signature);
  return point && accountOf(point.toBytes(false));
}

/** Checks many signatures of one key whose address is known: the first check learns the key, the later ones are faster. */
export class SignerCheck {
  readonly address: Address;
  #point: Point | null = null;
  #checks = 0;

  constructor(address: Address) {
    this.address = address;
  }

  signed(digest: Hex, signature: Hex): boolean {
    if (this.#point) {
      if (++this.#checks === checksBeforeTable) this.#point.precompute(tableBits, false);
      return isSignedBy(this.#point, digest, signature);
    }
    const point = recoverPoint(digest, signature);
    if (!point || accountOf(point.toBytes(false)) !== this.address) return false;
    this.#point = point;
    return true;
  }
}

function recoverPoint(digest: Hex, signature: Hex): Point | null {
  const parts = readSignature(signature);
  if (!parts) return null;
  try {
    const { r, s, parity } = parts;
    return new secp256k1.Signature(r, s, parity).recoverPublicKey(fromHex(digest, 32));
  } catch {
    return null;
  }
}

/** Textbook ECDSA; the parity of R too, because a contract recovers the key with it. */
function isSignedBy(key: Point, digest: Hex, signature: Hex): boolean {
  const parts = readSignature(signature);
  if (!parts) return false;
  const inverse = Fn.inv(parts.s);
  const ofBase = Fn.mul(Fn.create(BigInt(digest)), inverse);
  const ofKey = Fn.mul(parts.r, inverse);
  const sum = Point.BASE.multiplyUnsafe(ofBase).add(key.multiplyUnsafe(ofKey));
  if (sum.is0()) return false;
  const { x, y } = sum.toAffine();
  return x === parts.r && Number(y & 1n) === parts.parity;
}

function readSignature(signature: Hex): { r: bigint; s: bigint; parity: number } | null {
  const isShort = signature.length === 2 + 128;
  if (!/^0x[0-9a-f]+$/.test(signature) || (!isShort && signature.length !== 2 + 130)) return null;
  const r = BigInt(signature.slice(0, 66));
  const last = BigInt(`0x${signature.slice(66, 130)}`);
  const s = isShort ? last & ((1n << 255n) - 1n) : last;
  const parity = isShort ? Number(last >> 255n) : Number.parseInt(signature.slice(130), 16) - 27;
  const isValid = r > 0n && r < Fn.ORDER && s > 0n && s <= Fn.ORDER / 2n && (parity === 0 || parity === 1);
  return isValid ? { r, s, parity } : null;
}
