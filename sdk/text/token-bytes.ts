/** What each token id stands for, in bytes. Built on demand: a vocabulary of 250,000 is mostly never seen. */
import { bytesOfByteLevelToken } from './byte-alphabet.ts';
import type { DecoderPlan } from './decoder-plan.ts';

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);
const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

export class TokenBytes {
  readonly plan: DecoderPlan;
  readonly #tokenOf: (id: number) => string | undefined;
  /** Added tokens are written as plain text even in a byte-level vocabulary. */
  readonly #isAdded: (id: number) => boolean;
  readonly #known = new Map<number, Uint8Array>();

  constructor(plan: DecoderPlan, tokenOf: (id: number) => string | undefined, isAdded: (id: number) => boolean) {
    this.plan = plan;
    this.#tokenOf = tokenOf;
    this.#isAdded = isAdded;
  }

  /** Bytes of a token in the middle of a text; none for an id that the vocabulary does not name (padding rows of the head). */
  of(id: number): Uint8Array {
    let bytes = this.#known.get(id);
    if (!bytes) {
      bytes = this.#compute(id, null);
      this.#known.set(id, bytes);
    }
    return bytes;
  }

  /** Bytes of the token that opens a text. */
  ofFirst(id: number): Uint8Array {
    return this.plan.dropInFirst === null ? this.of(id) : this.#compute(id, this.plan.dropInFirst);
  }

  #compute(id: number, drop: string | null): Uint8Array {
    let token = this.#tokenOf(id);
    if (token === undefined) return nothing;
    if (this.plan.alphabet === 'byte-level') return this.#isAdded(id) ? encoder.encode(token) : bytesOfByteLevelToken(token);
    if (drop !== null) token = token.replaceAll(drop, '');
    for (const { pattern, content } of this.plan.replacements) token = token.replaceAll(pattern, content);
    const byte = this.plan.byteFallback ? byteToken.exec(token) : null;
    return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : encoder.encode(token);
  }
}
