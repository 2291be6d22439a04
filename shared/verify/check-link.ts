/**
 * What one hop says it sent and the next says it received. Both committed to it, so a difference is plain; whose lie it is, is not: nothing but the
 * two of them saw the frames. It becomes attributable when the upstream hop *seals* its batch to the next: sends it the signed receipt and
 * the roots under its commitment. A hop checks the seal before it works on, so one that did is bound by it, and so is whoever signed it.
 */
import { equalBytes } from '../protocol/bytes.ts';
import { type BatchSummary, batchRoot } from './batch-commitment.ts';

export type LinkFinding =
  | { kind: 'same' }
  /** `upstream` signed two different things; `downstream` worked on what nobody sealed; `nobody`: no seal was kept, both are in doubt. */
  | { kind: 'differs'; blamed: 'upstream' | 'downstream' | 'nobody' };

/** A batch summary that the upstream hop signed and gave to the next one. */
export interface Seal {
  batch: BatchSummary;
  /** Root of the batch in the signed chain; the caller has checked signature and chain. */
  signedRoot: Uint8Array;
}

/**
 * @param sent the batch as the upstream hop opened it from its commitment
 * @param received the same batch as the downstream hop opened it
 * @param seal what the downstream hop can show; undefined where hops do not seal, null where they do and it has none
 */
export function checkLink(sent: BatchSummary, received: BatchSummary, seal?: Seal | null): LinkFinding {
  if (describesSame(sent, received)) return { kind: 'same' };
  if (seal === undefined) return { kind: 'differs', blamed: 'nobody' };
  const isSealed = seal !== null && equalBytes(batchRoot(seal.batch), seal.signedRoot) && describesSame(seal.batch, received);
  return { kind: 'differs', blamed: isSealed ? 'upstream' : 'downstream' };
}

function describesSame(sent: BatchSummary, received: BatchSummary): boolean {
  const [a, b] = [sent.head, received.head];
  return (
    a.session === b.session &&
    a.position === b.position &&
    a.count === b.count &&
    equalBytes(a.prior, b.prior) &&
    equalBytes(a.after, b.after) &&
    equalBytes(sent.output, received.input)
  );
}
