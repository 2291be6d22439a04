import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAic } from './parse-aic.ts';

test('typed amounts become exact wei, and nothing else does', () => {
  const aic = 10n ** 18n;
  const amounts: [string, bigint | null][] = [
    ['12.5', (25n * aic) / 2n],
    [' 3 ', 3n * aic],
    ['0,000000000000000001', 1n],
    ['0', null],
    ['0.0', null],
    ['', null],
    ['.5', null],
    ['-1', null],
    ['1e3', null],
    ['1.0000000000000000001', null],
    ['999999999999', null],
  ];
  for (const [text, wei] of amounts) assert.equal(parseAic(text), wei, text);
});
