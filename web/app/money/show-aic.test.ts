import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showAic } from './show-aic.ts';

test('amounts are rounded down, never to nothing', () => {
  const amounts: [bigint, string][] = [
    [0n, '0 AIC'],
    [1n, '< 0.000001 AIC'],
    [10n ** 12n, '0.000001 AIC'],
    [1_234_567n * 10n ** 18n + 5n * 10n ** 17n, '1,234,567.5 AIC'],
    [10n ** 18n - 1n, '0.999999 AIC'],
  ];
  for (const [wei, words] of amounts) assert.equal(showAic(wei), words);
});
