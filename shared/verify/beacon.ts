/**
 * Randomness that nobody knew when the work was committed to and everybody can repeat afterwards. The relay publishes sha256 of a
 * secret before an epoch of commitments; after it, it reveals the secret, and a block that did not exist then is mixed in:
 *
 *   beacon = sha256("vessel-beacon/1" ‖ epoch u32 LE ‖ secret ‖ block hash)
 *
 * The relay alone cannot choose it (the block), a miner alone cannot (the secret). A relay that will not reveal has its whole epoch audited.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, equalBytes } from '../protocol/bytes.ts';

const beaconTag = new TextEncoder().encode('vessel-beacon/1');
const drawTag = new TextEncoder().encode('vessel-draw/1');

export interface BeaconParts {
  epoch: number;
  /** 32 bytes, unknown until the epoch's commitments are in. */
  secret: Uint8Array;
  /** 32 bytes, of the first block after that. */
  blockHash: Uint8Array;
}

/** What the relay publishes before the epoch. */
export function sealSecret(secret: Uint8Array): Uint8Array {
  return sha256(secret);
}

/** Null if the secret is not the one that was sealed. */
export function openBeacon(seal: Uint8Array, { epoch, secret, blockHash }: BeaconParts): Uint8Array | null {
  if (!equalBytes(sealSecret(secret), seal)) return null;
  return sha256(concatBytes([beaconTag, u32(epoch), secret, blockHash]));
}

/**
 * Numbers drawn from a beacon for one purpose: sha256 in counter mode, keyed by everything that names the purpose.
 *
 *     const draws = new BeaconDraws(beacon, [sessionBytes, text('rows')]);
 *     draws.sample(32, 8); // eight different rows of 32, in ascending order
 */
export class BeaconDraws {
  readonly #key: Uint8Array;
  #counter = 0;
  #block: DataView | null = null;
  #used = 0;

  /** Parts are hashed with their lengths, so that no two lists of parts are one purpose. */
  constructor(beacon: Uint8Array, purpose: readonly Uint8Array[]) {
    const hash = sha256.create().update(drawTag).update(beacon);
    for (const part of purpose) hash.update(u32(part.byteLength)).update(part);
    this.#key = hash.digest();
  }

  /** Uniform in [0, 2^32). */
  word(): number {
    if (this.#block === null || this.#used === 32) {
      const block = sha256(concatBytes([this.#key, u32(this.#counter++)]));
      this.#block = new DataView(block.buffer, block.byteOffset, block.byteLength);
      this.#used = 0;
    }
    const word = this.#block.getUint32(this.#used, true);
    this.#used += 4;
    return word;
  }

  /** Uniform in [0, 1), 53 bits. */
  unit(): number {
    return ((this.word() >>> 5) * 0x400_0000 + (this.word() >>> 6)) / 2 ** 53;
  }

  /** Uniform in [0, n), n at most 2^32; words that would favour small numbers are thrown away. */
  below(n: number): number {
    const fair = 0x1_0000_0000 - (0x1_0000_0000 % n);
    for (;;) {
      const word = this.word();
      if (word < fair) return word % n;
    }
  }

  /** `count` different numbers of [0, n), ascending; all of them if there are no more. */
  sample(n: number, count: number): number[] {
    const chosen = new Set<number>();
    // Floyd's: one draw per member whatever n is.
    for (let top = Math.max(0, n - count); top < n; top++) {
      const pick = this.below(top + 1);
      chosen.add(chosen.has(pick) ? top : pick);
    }
    return [...chosen].sort((a, b) => a - b);
  }

  /** 32 bytes for another generator. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < 32; at += 4) view.setUint32(at, this.word(), true);
    return bytes;
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
