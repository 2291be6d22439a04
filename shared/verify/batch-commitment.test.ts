import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../../testing/random-numbers.ts';
import { emptyHistory, extendHistory } from '../protocol/history.ts';
import { drawRows } from './audit-draw.ts';
import { areCommitted, areInputs, BatchCommitter, type BatchSummary, commitmentOf, noCommitment } from './batch-commitment.ts';
import { rowLeaves } from './boundary-row.ts';
import { Projection } from './fingerprint.ts';
import { type OutputRow, openedFingerprints, openRows } from './open-rows.ts';

const width = 24;
const session = 'ab'.repeat(16);

function work(promptLength = 100, answer = 70) {
  const random = randomNumbers(5);
  const rows = (count: number) => Float32Array.from({ length: count * width }, () => random.gaussian());
  const committer = new BatchCommitter({ session, epoch: 0, numericClass: 'f32', position: 0, history: emptyHistory });
  const positions = promptLength + answer;
  const input = rows(positions);
  const output = rows(positions);
  const roots: number[] = [];
  let history = emptyHistory;
  for (let at = 0; at < positions; ) {
    const phase = at < promptLength ? 'prompt' : 'output';
    const count = phase === 'prompt' ? Math.min(64, promptLength - at) : 1;
    history = extendHistory(history, new Array(count).fill(at));
    const part = (values: Float32Array) => rowLeaves(values.subarray(at * width, (at + count) * width), width);
    const closed = committer.add({ phase, after: history, inputs: part(input), outputs: part(output) });
    if (closed) roots.push(closed.head.count);
    at += count;
  }
  return { committer, input, output, roots };
}

test('a chunk of the prompt is a batch, and so are 32 positions after it', () => {
  const { committer, roots } = work();
  assert.deepEqual(roots, [64, 36, 32, 32]);
  assert.equal(committer.close()?.head.count, 6);
  assert.equal(committer.close(), null);
  assert.deepEqual(
    committer.batches.map(({ head }) => [head.batch, head.position, head.count, head.phase]),
    [
      [0, 0, 64, 'prompt'],
      [1, 64, 36, 'prompt'],
      [2, 100, 32, 'output'],
      [3, 132, 32, 'output'],
      [4, 164, 6, 'output'],
    ],
  );
});

test('what is told per batch is 32 bytes, and the last word binds every batch', () => {
  const { committer } = work();
  committer.close();
  assert.equal(committer.commitment.byteLength, 32);
  assert.deepEqual(commitmentOf(committer.batches), committer.commitment);
  assert.ok(areCommitted(committer.batches, committer.commitment));
  assert.ok(!areCommitted(committer.batches.slice(0, -1), committer.commitment));
  const changes: ((batch: BatchSummary) => BatchSummary)[] = [
    (batch) => ({ ...batch, outputs: batch.outputs + 1 }),
    (batch) => ({ ...batch, input: batch.output }),
    (batch) => ({ ...batch, output: batch.input }),
    (batch) => ({ ...batch, head: { ...batch.head, epoch: 1 } }),
    (batch) => ({ ...batch, head: { ...batch.head, numericClass: 'f16' } }),
    (batch) => ({ ...batch, head: { ...batch.head, session: '00'.repeat(16) } }),
    (batch) => ({ ...batch, head: { ...batch.head, after: emptyHistory } }),
  ];
  for (const change of changes) {
    const altered = committer.batches.map((batch, index) => (index === 2 ? change(batch) : batch));
    assert.ok(!areCommitted(altered, committer.commitment));
  }
  assert.ok(areCommitted([], noCommitment));
});

test('inputs are known again, and no other ones pass for them', () => {
  const { committer, input } = work();
  const leaves = rowLeaves(input.subarray(0, 64 * width), width);
  assert.ok(areInputs(committer.batches[0]!, leaves));
  assert.ok(!areInputs(committer.batches[0]!, leaves.slice(1)));
  assert.ok(!areInputs(committer.batches[0]!, leaves.toReversed()));
});

test('rows that were drawn are opened with proofs; any other row, place or session is refused', () => {
  const { committer, output } = work();
  committer.close();
  const target = { session, hop: `0x${'1'.repeat(40)}`, commitment: committer.commitment };
  const outputs = committer.batches.map((batch) => batch.outputs);
  const draw = drawRows(new Uint8Array(32).fill(3), target, outputs);
  const projection = new Projection(draw.seed, width);
  const outputAt = (batch: number, index: number): OutputRow => {
    const at = (committer.batches[batch]!.head.position + index) * width;
    return { kind: 'row', values: output.slice(at, at + width) };
  };
  const opening = openRows(committer, draw, outputAt)!;
  assert.equal(opening.rows.length, 3 * 8 + 6);
  const found = openedFingerprints(opening, target, draw, projection)!;
  assert.equal(found.length, opening.rows.length);
  const first = opening.rows[0]!;
  const at = (committer.batches[first.batch]!.head.position + first.index) * width;
  assert.deepEqual(found[0], projection.fingerprint(output.slice(at, at + width)));

  const forged = structuredClone(opening);
  const row = forged.rows[3]!.output;
  if (row.kind === 'row') row.values[0]! += 1e-6;
  assert.equal(openedFingerprints(forged, target, draw, projection), null);
  const swapped = { ...opening, rows: [opening.rows[1]!, opening.rows[0]!, ...opening.rows.slice(2)] };
  assert.equal(openedFingerprints(swapped, target, draw, projection), null);
  assert.equal(openedFingerprints({ ...opening, rows: opening.rows.slice(1) }, target, draw, projection), null);
  assert.equal(openedFingerprints(opening, { ...target, commitment: new Uint8Array(32) }, draw, projection), null);
  assert.equal(openedFingerprints(opening, { ...target, session: '00'.repeat(16) }, draw, projection), null);
  assert.equal(
    openRows(committer, draw, () => null),
    null,
  );
});
