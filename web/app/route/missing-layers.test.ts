import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingLayers } from './missing-layers.ts';

test('gaps between, before and after the ranges held are missing', () => {
  assert.deepEqual(missingLayers(8, []), [{ from: 0, to: 8 }]);
  assert.deepEqual(
    missingLayers(8, [
      { from: 5, to: 6 },
      { from: 1, to: 3 },
    ]),
    [
      { from: 0, to: 1 },
      { from: 3, to: 5 },
      { from: 6, to: 8 },
    ],
  );
});

test('overlapping ranges cover together', () => {
  assert.deepEqual(
    missingLayers(8, [
      { from: 0, to: 5 },
      { from: 1, to: 2 },
      { from: 4, to: 8 },
    ]),
    [],
  );
});
