/** Shapes of the names on the wire, shared by all message schemas. */
import { z } from 'zod';
import { limits } from './limits.ts';

/** 16 random bytes as hex. */
export const sessionId = z.string().regex(/^[0-9a-f]{32}$/);
/** libp2p peer id of an Ed25519 key: base58 (12D3Koo…). */
export const peerId = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{40,64}$/);
/** Manifest CID. */
export const modelId = z.string().regex(/^b[a-z2-7]{20,120}$/);
/** First 20 bytes of a key's hash, 0x-hex: what an account is called everywhere. */
export const account = z.string().regex(/^0x[0-9a-f]{40}$/);
export const tokenId = z.number().int().min(0).max(4_194_303);
export const layer = z.number().int().min(0).max(1024);
export const positiveCount = z.number().int().min(1).max(limits.maxContext);
