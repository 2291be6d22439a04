import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyHistory, extendHistory } from './history.ts';

const ids = fc.array(fc.nat({ max: 4_194_303 }), { maxLength: 20 });

test('[FR20] the history is the first 8 bytes of sha-256 over the history so far and the next id, from 8 zeros on', () => {
  const link = Buffer.alloc(12);
  let expected = Buffer.alloc(8);
  for (const id of [5, 0, 4_194_303]) {
    expected.copy(link);
    link.writeUInt32LE(id, 8);
    expected = createHash('sha256').update(link).digest().subarray(0, 8);
  }
  assert.deepEqual([...extendHistory(emptyHistory, [5, 0, 4_194_303])], [...expected]);
  assert.deepEqual([...emptyHistory], new Array(8).fill(0));
});

test('[FR20] the history does not depend on how the tokens were cut into frames', () => {
  fc.assert(
    fc.property(ids, ids, (first, second) => {
      const inTwo = extendHistory(extendHistory(emptyHistory, first), second);
      assert.deepEqual(inTwo, extendHistory(emptyHistory, [...first, ...second]));
    }),
  );
});
