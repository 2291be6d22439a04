import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTime } from '../../../testing/manual-time.ts';
import { TokenBuckets } from './token-buckets.ts';

function buckets(maxRemembered = 100) {
  const time = new ManualTime();
  return { time, buckets: new TokenBuckets({ clock: time.clock, maxRemembered }) };
}

test('a minute of requests may come at once, the next one is told when to come back', () => {
  const { time, buckets: limit } = buckets();
  for (let count = 0; count < 6; count++) assert.equal(limit.take('a', 6), 0);
  assert.equal(limit.take('a', 6), 10);
  time.advance(4000);
  assert.equal(limit.take('a', 6), 6);
  time.advance(6000);
  assert.equal(limit.take('a', 6), 0);
  assert.equal(limit.take('a', 6), 10);
});

test('one caller does not use up the allowance of another', () => {
  const { buckets: limit } = buckets();
  assert.equal(limit.take('a', 1), 0);
  assert.ok(limit.take('a', 1) > 0);
  assert.equal(limit.take('b', 1), 0);
});

test('a clock set back takes nothing away', () => {
  const { time, buckets: limit } = buckets();
  limit.take('a', 60);
  time.advance(-3_600_000);
  assert.equal(limit.take('a', 60), 0);
});

test('the number of remembered callers is bounded, and the busiest are kept', () => {
  const { buckets: limit } = buckets(10);
  for (let count = 0; count < 1000; count++) {
    limit.take(`visitor ${count}`, 1);
    limit.take('busy', 1);
  }
  assert.ok(limit.take('busy', 1) > 0);
});
