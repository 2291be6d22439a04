/** The device key of a Node provider: made once, kept in a file only its owner can read. */
import { type DeviceKey, deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { FileStore } from '../storage/file-store.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export async function openNodeKey(path: string): Promise<DeviceKey> {
  const file = new FileStore(path);
  const known = await file.read();
  if (known) {
    const jwk = JSON.parse(known) as { d?: string; kty: string };
    const { d: _, ...publicJwk } = jwk;
    return deviceKey({
      privateKey: await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']),
      publicKey: await crypto.subtle.importKey('jwk', { ...publicJwk, key_ops: ['verify'] }, algorithm, true, ['verify']),
    });
  }
  const pair = await generateKeyPair(true);
  await file.write(JSON.stringify(await crypto.subtle.exportKey('jwk', pair.privateKey)));
  return deviceKey(pair);
}
