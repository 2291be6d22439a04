/**
 * When to try again: exponential, bounded, with full jitter, so that those whom a relay lost at the same moment come back spread out
 * and not at the same moment again.
 */
const firstMs = 500;
const longestMs = 15_000;
/** Not at once: what has just ended needs a moment to be gone. */
const leastMs = 50;

/** Milliseconds before try `tries` + 1; `tries` counts those that have failed in a row. `random`: [0, 1). */
export function retryDelayMs(tries: number, random: () => number = Math.random): number {
  return leastMs + random() * Math.min(longestMs, firstMs * 2 ** Math.min(tries, 30));
}
