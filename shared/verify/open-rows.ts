/**
 * The answer of an audited hop: all its batches in short, and the drawn rows with the proof that they were committed to. Who checks it
 * needs no model: hashes, then one fingerprint per row for comparison with the auditor's.
 */
import type { AuditDraw, AuditTarget } from './audit-draw.ts';
import { areCommitted, type BatchCommitter, type BatchSummary, isOutput } from './batch-commitment.ts';
import { type Draw, drawLeaf, rowLeaf } from './boundary-row.ts';
import type { Projection } from './fingerprint.ts';

/** An output of a hop at one position: a row, or on the last hop a draw. */
export type OutputRow = { kind: 'row'; values: Float32Array } | { kind: 'draw'; draw: Draw };

export interface OpenedRow {
  batch: number;
  /** Among the outputs of the batch. */
  index: number;
  output: OutputRow;
  proof: Uint8Array[];
}

export interface Opening {
  /** All of the session, in order. */
  batches: BatchSummary[];
  rows: OpenedRow[];
}

/**
 * @param outputAt what the hop kept of its output `index` of `batch`; null: it did not
 * @returns null if a row is gone
 */
export function openRows(
  committer: BatchCommitter,
  draw: AuditDraw,
  outputAt: (batch: number, index: number) => OutputRow | null,
): Opening | null {
  const rows: OpenedRow[] = [];
  for (const { batch, rows: indexes } of draw.opened) {
    for (const index of indexes) {
      const output = outputAt(batch, index);
      if (output === null) return null;
      rows.push({ batch, index, output, proof: committer.proofOf(batch, index) });
    }
  }
  return { batches: committer.batches, rows };
}

/**
 * Fingerprints of the opened rows, in the order drawn; null unless they are exactly the rows that were drawn and committed to.
 * @param projection for the width of a row, or for the vocabulary on the last hop
 */
export function openedFingerprints(
  { batches, rows }: Opening,
  target: AuditTarget,
  draw: AuditDraw,
  projection: Projection,
): Float64Array[] | null {
  if (!areCommitted(batches, target.commitment) || batches[0]?.head.session !== target.session) return null;
  const wanted = draw.opened.flatMap(({ batch, rows: indexes }) => indexes.map((index) => ({ batch, index })));
  if (wanted.length !== rows.length) return null;
  const fingerprints: Float64Array[] = [];
  for (const [at, { batch, index }] of wanted.entries()) {
    const { output, proof, ...place } = rows[at]!;
    const values = output.kind === 'row' ? output.values : output.draw.logits;
    const leaf = output.kind === 'row' ? rowLeaf(values) : drawLeaf(output.draw);
    if (place.batch !== batch || place.index !== index || values.length !== projection.width) return null;
    if (!isOutput(batches[batch]!, index, leaf, proof)) return null;
    fingerprints.push(projection.fingerprint(values));
  }
  return fingerprints;
}
