/** Names of the protocol as 32-byte words of signed structs. */
import { CID } from 'multiformats/cid';
import { bytesToHex } from '../protocol/bytes.ts';
import { toHex } from './eip712.ts';
import type { Hex } from './hex.ts';

/** `session`: 32 hex digits. They come first, zeros after. */
export function sessionWord(session: string): Hex {
  return `0x${session.padEnd(64, '0')}`;
}

/** The sha2-256 of the manifest, from its CID. */
export function modelWord(model: string): Hex {
  return toHex(CID.parse(model).multihash.digest);
}

/** A token history's 8-byte hash, then zeros (SPEC FR20). */
export function historyWord(history: Uint8Array): Hex {
  return `0x${bytesToHex(history).padEnd(64, '0')}`;
}
