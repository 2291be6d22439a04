/**
 * The key that is a device's identity towards the relay: P-256, made by the platform and never leaving it. Earnings will belong to
 * its account, so a page keeps it in IndexedDB and a Node provider in its data folder.
 */
import { accountOf as accountOfKey } from '../../shared/receipts/account.ts';
import type { Address } from '../../shared/receipts/hex.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export interface DeviceKey {
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Raw r‖s over sha-256 of `message`. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** The platform's CryptoKeyPair, which Node's types know under no global name. */
export interface DeviceKeyPair {
  publicKey: InstanceType<typeof CryptoKey>;
  privateKey: InstanceType<typeof CryptoKey>;
}

/** A fresh pair; `extractable` only where the platform has no key storage of its own (Node). */
export function generateKeyPair(extractable = false): Promise<DeviceKeyPair> {
  return crypto.subtle.generateKey(algorithm, extractable, ['sign', 'verify']) as Promise<DeviceKeyPair>;
}

export async function deviceKey(pair: DeviceKeyPair): Promise<DeviceKey> {
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)),
    sign: async (message) =>
      new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, message)),
  };
}

/** False for anything that is not a P-256 key or not its signature. */
export async function verifySignature(
  publicKey: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('spki', publicKey, algorithm, false, ['verify']);
    return await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, message);
  } catch {
    return false;
  }
}

/** The device's account (SPEC PR8). */
export function accountOf(publicKey: Uint8Array): Address {
  return accountOfKey(publicKey);
}
