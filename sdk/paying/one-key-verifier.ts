/** WebCrypto's check for many signatures of one device key: importing it costs a third as much as a check. */
import type { VerifyDevice } from '../../shared/receipts/device-signature.ts';

/** Knows a key by the array it comes in, so the caller passes the same one each time and never writes to it. */
export function oneKeyVerifier(): VerifyDevice {
  let known: Uint8Array | null = null;
  let imported: Promise<InstanceType<typeof CryptoKey>> | null = null;
  return async (publicKey, message, signature) => {
    try {
      if (known !== publicKey || !imported) {
        known = publicKey;
        imported = crypto.subtle.importKey('spki', publicKey, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
      }
      return await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, await imported, signature, message);
    } catch {
      return false;
    }
  };
}
