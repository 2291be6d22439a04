/**
 * Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011):
 * ten rounds of multiply-and-mix turn a 128-bit counter and a 64-bit key into 128 random bits. There is no state to carry,
 * so whoever knows counter and key repeats the draw.
 */
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
/** Golden ratio and sqrt(3) − 1: what the key grows by in each round. */
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

type Words4 = readonly [number, number, number, number];
type Words2 = readonly [number, number];

/** The 128 random bits of (counter, key) as four unsigned 32-bit words; all words in and out lie in [0, 2^32). */
export function philox4x32(counter: Words4, key: Words2): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const low0 = Math.imul(multiplier0, c0);
    const high1 = multiplyHigh(multiplier1, c2);
    const low1 = Math.imul(multiplier1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** Upper 32 bits of the 64-bit product. Halves of 16 bits keep every sum below 2^53. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  return aHigh * bHigh + Math.floor((middle + aLow * bHigh) / 0x10000);
}
