/**
 * The accept rule for rows. The auditor never sees the hop's rows: it reports the fingerprints of its own, and whoever holds both
 * compares. So an auditor that did not run the shard has nothing to report, and one that did cannot copy.
 */
import { fingerprintDistance } from './fingerprint.ts';
import type { Tolerance } from './numeric-class.ts';

export interface RowFinding {
  agrees: boolean;
  rows: number;
  /** Largest distance of a row. */
  worst: number;
  /** Root mean square over the rows. */
  mean: number;
}

/**
 * @param found fingerprints of the rows that the hop opened, [16] each
 * @param expected fingerprints of the auditor's own rows, in the same order
 */
export function compareRows(
  found: readonly ArrayLike<number>[],
  expected: readonly ArrayLike<number>[],
  tolerance: Tolerance,
): RowFinding {
  return acceptDistances(
    expected.map((row, index) => fingerprintDistance(found[index] ?? [], row)),
    tolerance,
  );
}

export function acceptDistances(distances: readonly number[], tolerance: Tolerance): RowFinding {
  let worst = 0;
  let squares = 0;
  for (const distance of distances) {
    worst = Math.max(worst, distance);
    squares += distance ** 2;
  }
  const mean = Math.sqrt(squares / distances.length);
  const agrees = distances.length > 0 && worst <= tolerance.row && mean <= tolerance.audit;
  return { agrees, rows: distances.length, worst, mean };
}
