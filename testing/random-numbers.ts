/** A seeded source of random numbers for tests: the same seed gives the same numbers on every machine. */
export interface RandomNumbers {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Normal with mean 0 and deviation 1. */
  gaussian(): number;
}

export function randomNumbers(seed: number): RandomNumbers {
  // mulberry32
  let state = (seed ^ 0x9e3779b9) >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  // Irwin-Hall with 12 summands: normal enough, and unlike Box-Muller free of log and cos, which differ between engines.
  const gaussian = () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform();
    return sum;
  };
  return { uniform, gaussian };
}
