import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import { KeptRows } from './kept-rows.ts';

const width = 2;

/** Rows whose first value is their position, hashed over positions. */
function kept(counts: readonly number[], promptChunks: number) {
  const rows = new KeptRows(width);
  const histories = [emptyHistory];
  for (const [index, count] of counts.entries()) {
    const start = rows.end;
    for (let at = start; at < start + count; at++) histories.push(extendHistory(histories.at(-1)!, [at]));
    const values = Float32Array.from({ length: count * width }, (_, i) => start + Math.floor(i / width));
    rows.append(values, histories.at(-1)!, index === promptChunks - 1);
  }
  return { rows, histories };
}

const chunks = fc.array(fc.integer({ min: 1, max: limits.prefillChunk }), { minLength: 1, maxLength: 12 });

test('from any position on, frames follow each other to the end, none too long, with the hashes between them', () => {
  fc.assert(
    fc.property(chunks, fc.nat(), fc.nat(), (counts, promptAt, fromAt) => {
      const promptChunks = 1 + (promptAt % counts.length);
      const { rows, histories } = kept(counts, promptChunks);
      const promptEnd = counts.slice(0, promptChunks).reduce((sum, count) => sum + count, 0);
      let at = fromAt % rows.end;
      rows.learn(at, histories[at]!);
      for (let frame = rows.frameAt(at); frame; frame = rows.frameAt(at)) {
        assert.equal(frame.position, at);
        assert.ok(frame.count >= 1 && frame.count <= limits.prefillChunk);
        assert.deepEqual(frame.prior, histories[at]);
        assert.deepEqual(frame.after, histories[at + frame.count]);
        assert.equal(frame.endOfPrompt, at + frame.count === promptEnd);
        for (let row = 0; row < frame.count; row++) assert.equal(frame.values[row * width], at + row);
        at += frame.count;
      }
      assert.equal(at, rows.end);
    }),
  );
});

test('what is forgotten is gone, and what is kept before it is unchanged', () => {
  fc.assert(
    fc.property(chunks, fc.nat(), (counts, cut) => {
      const { rows, histories } = kept(counts, 1);
      const length = cut % (rows.end + 1);
      rows.truncate(length, histories[length]!);
      assert.equal(rows.end, length);
      let at = 0;
      for (let frame = rows.frameAt(at); frame; frame = rows.frameAt(at)) {
        assert.deepEqual(frame.after, histories[at + frame.count]);
        at += frame.count;
      }
      assert.equal(at, length);
    }),
  );
});
