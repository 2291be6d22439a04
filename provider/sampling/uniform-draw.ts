import { philox4x32 } from './philox.ts';

/**
 * The random number behind one sampled token: uniform in [0, 1) with 53 bits, a pure function of the request's seed, the
 * choice (which of `n` answers) and the position of the token in prompt + answer. No session id and no hop enters, so the same
 * request gives the same answer and any hop can repeat the draw.
 *
 * Philox4x32-10 with key = (seed mod 2^32, floor(seed / 2^32)) and counter = (position, choice, 0, 0); the number is
 * (word0's upper 27 bits, word1's upper 26 bits) / 2^53.
 *
 *     uniformDraw(42, 0, 17) // always the same number
 */
export function uniformDraw(seed: number, choice: number, position: number): number {
  const [word0, word1] = philox4x32(
    [position >>> 0, choice >>> 0, 0, 0],
    [seed % 0x1_0000_0000, Math.floor(seed / 0x1_0000_0000)],
  );
  return ((word0 >>> 5) * 0x400_0000 + (word1 >>> 6)) / 2 ** 53;
}
