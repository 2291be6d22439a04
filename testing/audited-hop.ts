/** A hop after a session, as an audit meets it: it has committed to what it put out, honest or not, and keeps what it may have to open. */
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import { type AuditDraw, type AuditTarget, drawRows } from '../shared/verify/audit-draw.ts';
import { BatchCommitter } from '../shared/verify/batch-commitment.ts';
import { type Draw, drawLeaf, rowLeaf, tokenLeaf } from '../shared/verify/boundary-row.ts';
import type { ClaimedDraw } from '../shared/verify/check-draws.ts';
import { Projection } from '../shared/verify/fingerprint.ts';
import type { NumericClass } from '../shared/verify/numeric-class.ts';
import { type Opening, type OutputRow, openedFingerprints, openRows } from '../shared/verify/open-rows.ts';
import type { RerunInput } from '../shared/verify/rerun-shard.ts';
import type { SessionRecord, Subject } from './audit-subjects.ts';

export class AuditedHop {
  readonly committer: BatchCommitter;
  readonly target: AuditTarget;
  readonly input: RerunInput;
  readonly width: number;
  readonly isLast: boolean;
  readonly #outputs: OutputRow[][] = [];

  /**
   * @param claimed what the hop puts out: rows [positions, hidden], or on the last hop logits per draw; left out: the honest ones
   * @param draws on the last hop: what it says it drew; left out: what the session has
   */
  constructor(
    { manifest, cuts }: Subject,
    session: SessionRecord,
    hop: number,
    options: { claimed?: Float32Array | Float32Array[]; draws?: ClaimedDraw[]; numericClass?: NumericClass; id?: string } = {},
  ) {
    const { hidden } = manifest.architecture;
    const { ids, promptLength } = session;
    const positions = ids.length - 1;
    const id = options.id ?? 'c0'.repeat(16);
    this.width = hidden;
    this.isLast = hop + 2 === cuts.length;
    const rowsIn = session.boundaries[hop - 1];
    this.input = rowsIn ? { kind: 'hidden', values: rowsIn } : { kind: 'tokens', ids: Int32Array.from(ids.slice(0, -1)) };
    const outputs = this.isLast
      ? drawsOf(session, (options.claimed ?? session.logits) as Float32Array[], options.draws)
      : rowsOf((options.claimed ?? session.boundaries[hop]!) as Float32Array, hidden);
    this.committer = new BatchCommitter({
      session: id,
      epoch: 0,
      numericClass: options.numericClass ?? 'f32',
      position: 0,
      history: emptyHistory,
    });
    let history = emptyHistory;
    let open: OutputRow[] = [];
    for (let at = 0; at < positions; ) {
      const phase = at < promptLength ? 'prompt' : 'output';
      const end = phase === 'prompt' ? Math.min(at + limits.prefillChunk, promptLength) : at + 1;
      history = extendHistory(history, ids.slice(at, end));
      // The last hop puts out something from the end of the prompt on.
      const out = this.isLast
        ? outputs.slice(Math.max(0, at + 1 - promptLength), Math.max(0, end + 1 - promptLength))
        : outputs.slice(at, end);
      open.push(...out);
      const inputs = this.#inputLeaves(at, end);
      if (this.committer.add({ phase, after: history, inputs, outputs: out.map(leafOf) })) {
        this.#outputs.push(open);
        open = [];
      }
      at = end;
    }
    if (this.committer.close()) this.#outputs.push(open);
    this.target = { session: id, hop: `0x${String(hop).padStart(40, '0')}`, commitment: this.committer.commitment };
  }

  draw(beacon: Uint8Array): AuditDraw {
    return drawRows(
      beacon,
      this.target,
      this.committer.batches.map(({ outputs }) => outputs),
    );
  }

  projection(draw: AuditDraw): Projection {
    const first = this.#outputs.flat()[0]!;
    return new Projection(draw.seed, first.kind === 'row' ? first.values.length : first.draw.logits.length);
  }

  opening(draw: AuditDraw): Opening | null {
    return openRows(this.committer, draw, (batch, index) => this.#outputs[batch]?.[index] ?? null);
  }

  /** What the hop opens, checked as the relay does; null when that fails. */
  opened(draw: AuditDraw): Float64Array[] | null {
    const opening = this.opening(draw);
    return opening && openedFingerprints(opening, this.target, draw, this.projection(draw));
  }

  #inputLeaves(from: number, to: number): Uint8Array[] {
    if (this.input.kind === 'tokens') return Array.from(this.input.ids.slice(from, to), tokenLeaf);
    const { values } = this.input;
    return Array.from({ length: to - from }, (_, row) =>
      rowLeaf(values.subarray((from + row) * this.width, (from + row + 1) * this.width)),
    );
  }
}

/** What the last hop told the asker. */
export function claimedDraws({ ids, promptLength }: SessionRecord): ClaimedDraw[] {
  const answer = ids.slice(promptLength);
  return answer.map((id, index) => ({ id, end: index + 1 === answer.length ? 'length' : 'goes-on' }));
}

function rowsOf(values: Float32Array, width: number): OutputRow[] {
  return Array.from({ length: values.length / width }, (_, row) => ({
    kind: 'row',
    values: values.subarray(row * width, (row + 1) * width),
  }));
}

function drawsOf(session: SessionRecord, logits: readonly Float32Array[], draws = claimedDraws(session)): OutputRow[] {
  return draws.map(({ id, end }, index): OutputRow => {
    const draw: Draw = { position: session.promptLength - 1 + index, id, end, logits: logits[index]! };
    return { kind: 'draw', draw };
  });
}

function leafOf(output: OutputRow): Uint8Array {
  return output.kind === 'row' ? rowLeaf(output.values) : drawLeaf(output.draw);
}
