/**
 * A row in 16 numbers. P has one random sign per (dimension, column), drawn from the beacon after the row was committed to: who does
 * not know P cannot make another row with the same P·row, and two rows are as far apart under P as they are, give or take a factor
 * (Johnson–Lindenstrauss; with 16 dimensions mostly within 0.5 to 2, in rare draws within 4).
 */
import { BeaconDraws, text } from './beacon.ts';

/** Dimensions of a fingerprint. 16 keep f16 noise and int8 weights apart where 4 let them overlap. */
export const fingerprintSize = 16;

export class Projection {
  readonly width: number;
  /** One word per column: bit d is the sign of dimension d. */
  readonly #signs: Uint16Array;

  /** @param seed what the beacon gave for this audit */
  constructor(seed: Uint8Array, width: number) {
    this.width = width;
    this.#signs = new Uint16Array(width);
    const draws = new BeaconDraws(seed, [text('projection')]);
    for (let column = 0; column < width; column += 2) {
      const word = draws.word();
      this.#signs[column] = word & 0xffff;
      if (column + 1 < width) this.#signs[column + 1] = word >>> 16;
    }
  }

  /** P·row, [16]. Sums in float64 in order of columns: the same bits on every machine. */
  fingerprint(row: Float32Array): Float64Array {
    if (row.length !== this.width) throw new RangeError(`This projection is for rows of ${this.width}, not ${row.length}.`);
    const sums = new Float64Array(fingerprintSize);
    for (let column = 0; column < row.length; column++) {
      const value = row[column]!;
      const signs = this.#signs[column]!;
      for (let dimension = 0; dimension < fingerprintSize; dimension++) {
        if ((signs >>> dimension) & 1) sums[dimension]! += value;
        else sums[dimension]! -= value;
      }
    }
    return sums;
  }
}

/** ‖found − expected‖ / ‖expected‖; infinite when there is nothing to compare with or a value is not a number. */
export function fingerprintDistance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let dimension = 0; dimension < expected.length; dimension++) {
    difference += ((found[dimension] ?? Number.NaN) - expected[dimension]!) ** 2;
    size += expected[dimension]! ** 2;
  }
  const distance = Math.sqrt(difference / size);
  return Number.isFinite(distance) ? distance : Number.POSITIVE_INFINITY;
}
