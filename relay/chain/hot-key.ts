/** A secp256k1 key that pays for transactions by itself: made once, kept in a file only its owner can read. */
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Hex } from '../../shared/receipts/hex.ts';
import { FileStore } from '../storage/file-store.ts';

/** Opens the key in the file, or makes a new one there. Throws `forbidden` for a file with anything else in it. */
export async function openHotKey(path: string): Promise<PrivateKeyAccount> {
  const known = await readHotKey(path);
  if (known) return known;
  const key = generatePrivateKey();
  await new FileStore(path).write(`${key}\n`);
  return privateKeyToAccount(key);
}

/** null when there is no such file. */
export async function readHotKey(path: string): Promise<PrivateKeyAccount | null> {
  const text = (await new FileStore(path).read())?.trim();
  if (text === undefined) return null;
  const key = text.startsWith('0x') ? text : `0x${text}`;
  // The key itself is not repeated in the message.
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) throw new VesselError('forbidden', `${path} does not hold a key of 32 bytes in hex.`);
  return privateKeyToAccount(key as Hex);
}
