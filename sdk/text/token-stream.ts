/**
 * Text out of token ids as they arrive. A token may end in the middle of a character, so the bytes go through a streaming UTF-8
 * decoder, which keeps an unfinished character until its last byte is there. The pieces joined are the decoded whole, by
 * construction: decoding a finished list runs through the same class.
 */
import type { TokenBytes } from './token-bytes.ts';

export interface TokenStreamOptions {
  /** The text goes on where a prompt ended, so it keeps the space that the start of a text would lose. Default false. */
  continues?: boolean;
}

export class TokenStream {
  readonly #tokens: TokenBytes;
  readonly #isSkipped: (id: number) => boolean;
  // A byte order mark that a model writes is a character like any other.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #isFirst: boolean;
  #stripLeft: number;

  constructor(tokens: TokenBytes, isSkipped: (id: number) => boolean, { continues = false }: TokenStreamOptions = {}) {
    this.#tokens = tokens;
    this.#isSkipped = isSkipped;
    this.#isFirst = !continues;
    this.#stripLeft = continues ? 0 : (tokens.plan.strip?.count ?? 0);
  }

  /** Takes the next id and returns the text it completes, often all of the token, sometimes nothing yet. */
  push(id: number): string {
    if (this.#isSkipped(id)) return '';
    const bytes = this.#isFirst ? this.#tokens.ofFirst(id) : this.#tokens.of(id);
    this.#isFirst = false;
    return this.#decoder.decode(this.#strip(bytes), { stream: true });
  }

  /** The end of the answer: a character that never became whole is returned as U+FFFD. */
  end(): string {
    return this.#decoder.decode();
  }

  #strip(bytes: Uint8Array): Uint8Array {
    let from = 0;
    while (this.#stripLeft > 0 && from < bytes.length) {
      if (bytes[from] !== this.#tokens.plan.strip?.byte) this.#stripLeft = 0;
      else {
        this.#stripLeft--;
        from++;
      }
    }
    return from === 0 ? bytes : bytes.subarray(from);
  }
}
