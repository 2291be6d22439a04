/** What has been seen to run so far: per block, in which ranges of counts (once, twice, 3, 4–7, 8–15, 16–31, 32–127, more). */
const rangeOf = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count === 0) return 0;
  if (count < 4) return 1 << (count - 1);
  if (count < 8) return 8;
  if (count < 16) return 16;
  if (count < 32) return 32;
  return count < 128 ? 64 : 128;
});
/** Kinds of answers remembered: a decoder that writes its input into its refusals must not fill the corpus. */
const maxAnswers = 1000;

export class CoverageMap {
  readonly #counters: Uint8Array<ArrayBuffer>;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #seen: Uint8Array<ArrayBuffer>;
  readonly #answers = new Set<number>();
  readonly #used: () => number;
  /** Blocks that ran at least once. */
  blocks = 0;

  constructor(counters: Uint8Array<ArrayBuffer>, used: () => number) {
    this.#counters = counters;
    this.#words = new Uint32Array(counters.buffer);
    this.#seen = new Uint8Array(counters.length);
    this.#used = used;
  }

  get answers(): number {
    return this.#answers.size;
  }

  /** Before an input. */
  clear(): void {
    this.#counters.fill(0, 0, this.#used());
  }

  /** After an input: whether it ran code, or was answered, as no input before it. */
  take(answer: string): 'code' | 'answer' | 'none' {
    let isNew = false;
    const words = Math.ceil(this.#used() / 4);
    for (let word = 0; word < words; word++) {
      if (this.#words[word] === 0) continue;
      for (let at = 4 * word; at < 4 * word + 4; at++) {
        const range = rangeOf[this.#counters[at]!]!;
        const seen = this.#seen[at]!;
        if ((seen & range) === range) continue;
        if (seen === 0) this.blocks++;
        this.#seen[at] = seen | range;
        isNew = true;
      }
    }
    const isAnswer = this.#isNewAnswer(answer);
    if (isNew) return 'code';
    return isAnswer ? 'answer' : 'none';
  }

  #isNewAnswer(answer: string): boolean {
    if (answer === '' || this.#answers.size >= maxAnswers) return false;
    const hash = hashOf(answer);
    if (this.#answers.has(hash)) return false;
    this.#answers.add(hash);
    return true;
  }
}

/** Of an answer without what is quoted from the input: numbers and text between quotation marks. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  let isQuoted = false;
  const end = Math.min(text.length, 300);
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22 || code === 0x60) isQuoted = !isQuoted;
    if (isQuoted || (code >= 0x30 && code <= 0x39)) continue;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return hash;
}
