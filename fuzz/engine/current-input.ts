/** The input a thread is working on, in shared memory: there it is still readable when the thread never comes back. */
import type { FuzzInput } from './target.ts';

const headBytes = 8;
const encoder = new TextEncoder();

export class CurrentInput {
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(shared: SharedArrayBuffer) {
    this.#head = new Int32Array(shared, 0, 2);
    this.#bytes = new Uint8Array(shared, headBytes);
  }

  static bytesFor(maxInputBytes: number): number {
    return headBytes + maxInputBytes;
  }

  write(input: FuzzInput): void {
    let length = input.length;
    if (typeof input === 'string') length = encoder.encodeInto(input, this.#bytes).written;
    else this.#bytes.set(length <= this.#bytes.length ? input : input.subarray(0, this.#bytes.length));
    this.#head[1] = Math.min(length, this.#bytes.length);
    Atomics.add(this.#head, 0, 1);
  }

  /** Grows with every input. */
  get number(): number {
    return Atomics.load(this.#head, 0);
  }

  read(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.slice(0, this.#head[1]!));
  }
}
