/**
 * From findings to a verdict. One auditor looks first. If its rows are the hop's, that is that. If not, a panel is drawn, and the hop is
 * guilty only if `k` of all `n` auditors differ from it *and agree with each other*: two honest devices always do, two that made something up
 * do not. Auditors left alone with another answer are in doubt themselves.
 */
import { compareRows } from './accept-rows.ts';
import type { Tolerance } from './numeric-class.ts';

export interface Panel {
  /** Auditors in all, the first one included. */
  n: number;
  /** As many must differ from the hop, alike. */
  k: number;
}

export const panel: Panel = { n: 5, k: 4 };

/** What one auditor reported. */
export interface AuditReport {
  /** Account. */
  auditor: string;
  /** Per opened row, [16]. Empty: it did not answer. */
  fingerprints: readonly ArrayLike<number>[];
  /** Of the last hop: whether the draws are right. True elsewhere. */
  drawsAgree: boolean;
}

export type Verdict =
  /** `doubted` are auditors whose rows are nobody else's. */
  | { kind: 'clean'; doubted: string[] }
  /** The first auditor differs: `more` further ones are to be drawn. */
  | { kind: 'panel'; more: number }
  /** `signers` differ from the hop and agree with each other: their signatures make the verdict. */
  | { kind: 'guilty'; signers: string[]; doubted: string[] }
  /** No majority: the hop and all auditors are in doubt, nobody pays. */
  | { kind: 'undecided'; doubted: string[] };

/**
 * @param opened fingerprints of the rows that the hop opened; null: it did not, or not those it committed to
 * @param reports in the order drawn
 */
export function decide(
  opened: readonly ArrayLike<number>[] | null,
  reports: readonly AuditReport[],
  tolerance: Tolerance,
  { n, k }: Panel = panel,
): Verdict {
  const answered = reports.filter(({ fingerprints }) => fingerprints.length > 0);
  const agrees = ({ fingerprints, drawsAgree }: AuditReport): boolean =>
    drawsAgree && opened !== null && compareRows(opened, fingerprints, tolerance).agrees;
  const withHop = answered.filter(agrees);
  const against = largestAlike(
    answered.filter((report) => !agrees(report)),
    tolerance,
  );
  const others = (members: readonly AuditReport[]): string[] =>
    answered.filter((report) => !members.includes(report)).map(({ auditor }) => auditor);
  if (against.length >= k) return { kind: 'guilty', signers: against.map(({ auditor }) => auditor), doubted: others(against) };
  // As many on the hop's side as make k against it impossible.
  if (reports.length === 1 && withHop.length === 1) return { kind: 'clean', doubted: [] };
  if (withHop.length > n - k) return { kind: 'clean', doubted: others(withHop) };
  if (reports.length < n) return { kind: 'panel', more: n - reports.length };
  return { kind: 'undecided', doubted: answered.map(({ auditor }) => auditor) };
}

/**
 * Whether an auditor found what is known already: rows of an earlier audit that a panel or the relay's own re-run has settled, given out
 * again under a new projection. To the auditor it looks like any other audit.
 */
export function passesCanary(
  known: readonly ArrayLike<number>[],
  { fingerprints, drawsAgree }: AuditReport,
  tolerance: Tolerance,
): boolean {
  return drawsAgree && compareRows(fingerprints, known, tolerance).agrees;
}

/** The largest group around one report of those that agree with it: rows, and what they say about the draws. */
function largestAlike(reports: readonly AuditReport[], tolerance: Tolerance): AuditReport[] {
  let largest: AuditReport[] = [];
  for (const centre of reports) {
    const alike = reports.filter(
      (other) =>
        other === centre ||
        (other.drawsAgree === centre.drawsAgree && compareRows(other.fingerprints, centre.fingerprints, tolerance).agrees),
    );
    if (alike.length > largest.length) largest = alike;
  }
  return largest;
}
