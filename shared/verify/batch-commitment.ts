/**
 * What a hop commits to after each batch: one 32-byte word over every row that came in and went out. The words of a session form a
 * chain, so the newest one, signed in the hop's receipt, binds them all:
 *
 *   root        = sha256(2 ‖ head ‖ input root ‖ output root ‖ outputs u32)
 *   commitment  = sha256(3 ‖ commitment before (32 zero bytes at first) ‖ root)
 *   head        = session 16 ‖ epoch u32 ‖ batch u32 ‖ position u32 ‖ count u32 ‖ phase u32 (0 prompt, 1 output)
 *                 ‖ class u32 (index in numericClasses) ‖ prior 8 ‖ after 8            all little-endian
 *
 * A batch is one chunk of the prompt, or `outputBatch` positions after it (fewer at the end of a session).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, equalBytes, hexToBytes } from '../protocol/bytes.ts';
import { VesselError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { emptyRoot, isInTree, treeProof, treeRoot } from './hash-tree.ts';
import { type NumericClass, numericClasses } from './numeric-class.ts';

export type BatchPhase = 'prompt' | 'output';

export interface BatchHead {
  /** 32 hex digits. */
  session: string;
  epoch: number;
  /** Counts up from 0 in the session. */
  batch: number;
  /** Of the first row. */
  position: number;
  /** Positions computed. */
  count: number;
  phase: BatchPhase;
  numericClass: NumericClass;
  /** Token history before the first and after the last position (SPEC FR20). */
  prior: Uint8Array;
  after: Uint8Array;
}

/** A batch in the few words that its root is made of. */
export interface BatchSummary {
  head: BatchHead;
  input: Uint8Array;
  output: Uint8Array;
  /** Leaves under `output`: `count`, or on the last hop the number of draws. */
  outputs: number;
}

/** A step of a hop: what came in and what it put out, as leaves (boundary-row.ts). */
export interface CommittedStep {
  phase: BatchPhase;
  after: Uint8Array;
  inputs: readonly Uint8Array[];
  /** As many as `inputs`; on the last hop one per draw. */
  outputs: readonly Uint8Array[];
}

export const noCommitment: Uint8Array = emptyRoot;

export function batchRoot({ head, input, output, outputs }: BatchSummary): Uint8Array {
  return sha256(concatBytes([Uint8Array.of(2), headBytes(head), input, output, u32(outputs)]));
}

export function extendCommitment(before: Uint8Array, root: Uint8Array): Uint8Array {
  return sha256(concatBytes([Uint8Array.of(3), before, root]));
}

/** What batches in order commit to. */
export function commitmentOf(batches: readonly BatchSummary[]): Uint8Array {
  return batches.reduce((before, batch) => extendCommitment(before, batchRoot(batch)), noCommitment);
}

/** Whether these are all batches of the session in order, without gaps, under the commitment that the hop signed. */
export function areCommitted(batches: readonly BatchSummary[], commitment: Uint8Array): boolean {
  let position = batches[0]?.head.position ?? 0;
  for (const [index, { head }] of batches.entries()) {
    const before = batches[index - 1]?.head;
    if (head.batch !== index || head.position !== position) return false;
    if (before && (before.session !== head.session || !equalBytes(before.after, head.prior))) return false;
    position += head.count;
  }
  return equalBytes(commitmentOf(batches), commitment);
}

interface OpenBatch {
  phase: BatchPhase;
  prior: Uint8Array;
  after: Uint8Array;
  inputs: Uint8Array[];
  outputs: Uint8Array[];
}

/**
 * The hop's side: takes steps as they are computed and closes batches. Keeps 64 bytes per position.
 *
 *     const batch = committer.add({ phase: 'prompt', after, inputs: rowLeaves(rowsIn, width), outputs: rowLeaves(rowsOut, width) });
 *     if (batch) receipt.commitment = committer.commitment;
 */
export class BatchCommitter {
  readonly batches: BatchSummary[] = [];
  /** 32 bytes, over all closed batches. */
  commitment: Uint8Array = noCommitment;
  readonly #session: string;
  readonly #epoch: number;
  readonly #numericClass: NumericClass;
  readonly #leaves: (readonly Uint8Array[])[] = [];
  #position: number;
  #history: Uint8Array;
  #open: OpenBatch | null = null;

  constructor(start: { session: string; epoch: number; numericClass: NumericClass; position: number; history: Uint8Array }) {
    this.#session = start.session;
    this.#epoch = start.epoch;
    this.#numericClass = start.numericClass;
    this.#position = start.position;
    this.#history = start.history;
  }

  /** The batch that this step completed, if it did: a chunk of the prompt always does. */
  add(step: CommittedStep): BatchSummary | null {
    if (this.#open && this.#open.phase !== step.phase)
      throw new VesselError('internal', 'A batch does not cross the end of the prompt.');
    this.#open ??= { phase: step.phase, prior: this.#history, after: step.after, inputs: [], outputs: [] };
    this.#open.inputs.push(...step.inputs);
    this.#open.outputs.push(...step.outputs);
    this.#open.after = step.after;
    const isFull = step.phase === 'prompt' || this.#open.inputs.length >= limits.outputBatch;
    return isFull ? this.close() : null;
  }

  /** Ends the batch that is open; null if none is. For the end of a session. */
  close(): BatchSummary | null {
    if (this.#open === null) return null;
    const { phase, prior, after, inputs, outputs } = this.#open;
    this.#open = null;
    const batch: BatchSummary = {
      head: {
        session: this.#session,
        epoch: this.#epoch,
        batch: this.batches.length,
        position: this.#position,
        count: inputs.length,
        phase,
        numericClass: this.#numericClass,
        prior,
        after,
      },
      input: treeRoot(inputs),
      output: treeRoot(outputs),
      outputs: outputs.length,
    };
    this.#position += inputs.length;
    this.#history = after;
    this.#leaves.push(outputs);
    this.batches.push(batch);
    this.commitment = extendCommitment(this.commitment, batchRoot(batch));
    return batch;
  }

  /** Shows that a leaf is in the output of a closed batch. */
  proofOf(batch: number, index: number): Uint8Array[] {
    const leaves = this.#leaves[batch];
    if (!leaves || index >= leaves.length) throw new VesselError('not_found', `Batch ${batch} has no output row ${index}.`);
    return treeProof(leaves, index);
  }
}

/** Whether a leaf was committed to as output `index` of the batch. */
export function isOutput(batch: BatchSummary, index: number, leaf: Uint8Array, proof: readonly Uint8Array[]): boolean {
  return isInTree(batch.output, leaf, index, batch.outputs, proof);
}

/** Whether these are all input leaves of the batch. */
export function areInputs(batch: BatchSummary, leaves: readonly Uint8Array[]): boolean {
  return leaves.length === batch.head.count && equalBytes(treeRoot(leaves), batch.input);
}

function headBytes(head: BatchHead): Uint8Array {
  const session = hexToBytes(head.session);
  if (session?.length !== 16) throw new VesselError('bad_message', 'A session id is 32 hex digits.');
  const { epoch, batch, position, count, phase, numericClass } = head;
  const numbers = [epoch, batch, position, count, phase === 'prompt' ? 0 : 1, numericClasses.indexOf(numericClass)];
  return concatBytes([session, ...numbers.map(u32), head.prior, head.after]);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
