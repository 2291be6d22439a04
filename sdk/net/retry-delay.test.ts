import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryDelayMs } from './retry-delay.ts';

test('[PR21] the longest wait doubles with each failure and stays below a quarter of a minute', () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 100, 10_000].map((tries) => retryDelayMs(tries, () => 1));
  assert.deepEqual(longest, [550, 1050, 2050, 4050, 8050, 15_050, 15_050, 15_050, 15_050]);
});

test('[PR21] a thousand tabs that lost the relay at once come back spread over the whole wait', () => {
  const tenths = new Array<number>(10).fill(0);
  for (let tab = 0; tab < 1000; tab++) tenths[Math.floor((retryDelayMs(5, () => (tab * 0.6180339887) % 1) - 50) / 1500)]!++;
  assert.ok(Math.max(...tenths) <= 110, String(tenths));
  assert.ok(retryDelayMs(5, () => 0) >= 50);
});
