/**
 * Ends an answer at the first stop string. Text that may be the beginning of one is held back until it is decided, so nothing
 * of a stop string is ever shown. "First" is the one that is complete first (of those, the one that begins first); this does
 * not depend on how the text was cut into pieces.
 */
export interface StopStep {
  /** Text that may be shown now. */
  text: string;
  isStopped: boolean;
}

export class StopMatcher {
  readonly #stops: string[];
  #held = '';
  #isStopped = false;

  /** @param stops non-empty strings; an empty list lets everything through at once */
  constructor(stops: readonly string[]) {
    this.#stops = [...stops];
  }

  push(text: string): StopStep {
    if (this.#isStopped) return { text: '', isStopped: true };
    const buffer = this.#held + text;
    const match = this.#firstMatch(buffer);
    if (match !== null) {
      this.#isStopped = true;
      this.#held = '';
      return { text: buffer.slice(0, match), isStopped: true };
    }
    const shown = buffer.length - this.#undecided(buffer);
    this.#held = buffer.slice(shown);
    return { text: buffer.slice(0, shown), isStopped: false };
  }

  /** The answer is over: what was held back belonged to it. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** Where the match begins that ends first, or null. */
  #firstMatch(buffer: string): number | null {
    let end = Number.POSITIVE_INFINITY;
    let start: number | null = null;
    for (const stop of this.#stops) {
      const at = buffer.indexOf(stop);
      if (at < 0) continue;
      if (at + stop.length < end || (at + stop.length === end && at < start!)) {
        start = at;
        end = at + stop.length;
      }
    }
    return start;
  }

  /** Length of the longest end of the buffer with which a stop string could begin. */
  #undecided(buffer: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, buffer.length); length > longest; length--) {
        if (buffer.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
