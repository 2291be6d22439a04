/**
 * The running hash of the tokens a KV cache was built from. Hop 1 knows the tokens and sends the hash with each frame; the others
 * keep it, so a hop that holds another history refuses instead of answering from the wrong cache (SPEC FR10, FR20).
 * 8 bytes find accidents; they are no proof against a hop that lies about them.
 */
import { sha256 } from '@noble/hashes/sha2.js';

export const historyBytes = 8;
export const emptyHistory: Uint8Array = new Uint8Array(historyBytes);

/** Hash after `tokens` were appended to a history with hash `prior`. */
export function extendHistory(prior: Uint8Array, tokens: ArrayLike<number>): Uint8Array {
  let hash = prior;
  const link = new Uint8Array(historyBytes + 4);
  const view = new DataView(link.buffer);
  for (let i = 0; i < tokens.length; i++) {
    link.set(hash, 0);
    view.setUint32(historyBytes, tokens[i]!, true);
    hash = sha256(link).slice(0, historyBytes);
  }
  return hash;
}
