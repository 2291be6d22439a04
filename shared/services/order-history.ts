/**
 * What a receipt for a service commits to: a chain of hashes over the orders of a session, their bytes and their results. Asker and hop
 * compute it each for themselves (SPEC PY14). Orders that came to nothing are left out, as no receipt is about them.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { canonicalJson } from '../models/canonical-json.ts';

/** Hash after an order, 32 bytes. `prior`: the hash before it; `emptyHistory` for the first. */
export function extendOrderHistory(prior: Uint8Array, order: unknown, input: Uint8Array, result: unknown): Uint8Array {
  const words = sha256(new TextEncoder().encode(canonicalJson(asSent({ order, result }))));
  const bytes = sha256(input);
  const link = new Uint8Array(prior.byteLength + words.byteLength + bytes.byteLength);
  link.set(prior);
  link.set(words, prior.byteLength);
  link.set(bytes, prior.byteLength + words.byteLength);
  return sha256(link);
}

/** As the other side reads it: without fields that are undefined. */
function asSent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
