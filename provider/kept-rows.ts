/**
 * What a hop has computed and its next hop may have to be given again: rows of the residual stream in order of position, and the
 * hash of the tokens at each boundary (design S1). Rows are kept as they were computed; a frame is cut out of them when it is sent.
 */
import { VesselError } from '../shared/protocol/errors.ts';
import { emptyHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';

interface Chunk {
  start: number;
  count: number;
  /** Row-major [count, width]. */
  values: Float32Array;
  /** Hash of the tokens up to the end of the chunk. */
  after: Uint8Array;
  endOfPrompt: boolean;
}

export interface KeptFrame {
  position: number;
  count: number;
  values: Float32Array;
  prior: Uint8Array;
  after: Uint8Array;
  endOfPrompt: boolean;
}

export class KeptRows {
  readonly #width: number;
  readonly #chunks: Chunk[] = [];
  /** A hash that the asker told: it may be needed inside a chunk. */
  #known: { position: number; prior: Uint8Array } | null = null;

  constructor(width: number) {
    this.#width = width;
  }

  /** Positions computed. */
  get end(): number {
    const last = this.#chunks.at(-1);
    return last ? last.start + last.count : 0;
  }

  /** Takes rows over: the caller does not change them afterwards. */
  append(values: Float32Array, after: Uint8Array, endOfPrompt: boolean): void {
    this.#chunks.push({ start: this.end, count: values.length / this.#width, values, after, endOfPrompt });
  }

  /** Forgets every row from `length` on; `history` is the hash there. */
  truncate(length: number, history: Uint8Array): void {
    for (let last = this.#chunks.at(-1); last && last.start + last.count > length; last = this.#chunks.at(-1)) {
      this.#chunks.pop();
      const count = length - last.start;
      if (count <= 0) continue;
      // The end of the prompt was the end of the chunk.
      this.#chunks.push({
        ...last,
        count,
        values: last.values.slice(0, count * this.#width),
        after: history,
        endOfPrompt: false,
      });
    }
  }

  /** The asker knows the hash of the tokens before `position`, which may lie inside a chunk. */
  learn(position: number, prior: Uint8Array): void {
    this.#known = { position, prior };
  }

  /** Rows from `from` on as one frame: at most a prefill chunk, and not across the end of the prompt. Null: there are none yet. */
  frameAt(from: number): KeptFrame | null {
    if (from >= this.end) return null;
    const at = this.#find(from);
    const first = this.#chunks[at]!;
    const parts: Float32Array[] = [];
    let count = 0;
    let last = first;
    for (const chunk of this.#chunks.slice(at, at + limits.prefillChunk)) {
      const begin = chunk === first ? from - first.start : 0;
      if (count > 0 && count + chunk.count > limits.prefillChunk) break;
      parts.push(chunk.values.subarray(begin * this.#width));
      count += chunk.count - begin;
      last = chunk;
      if (chunk.endOfPrompt) break;
    }
    const { after, endOfPrompt } = last;
    return { position: from, count, values: join(parts), prior: this.#before(from, at), after, endOfPrompt };
  }

  #find(position: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#chunks[middle]!.start <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Hash of the tokens before `position`, which lies in the chunk at `index`. */
  #before(position: number, index: number): Uint8Array {
    if (position === 0) return emptyHistory;
    if (position === this.#chunks[index]!.start) return this.#chunks[index - 1]!.after;
    if (this.#known?.position !== position) throw new VesselError('internal', 'No hash is known for the row that was asked for.');
    return this.#known.prior;
  }
}

function join(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
