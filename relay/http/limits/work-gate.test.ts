import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkGate } from './work-gate.ts';

const never = new AbortController().signal;
const anyone = { id: 'anyone', maxConcurrent: 100 };

function gate(maxConcurrent: number, maxQueued: number) {
  const seen: [number, number][] = [];
  const work = new WorkGate({ maxConcurrent, maxQueued, onChange: (active, queued) => seen.push([active, queued]) });
  return { work, last: () => seen.at(-1) };
}

test('work beyond the places waits in order and enters as places are given back', async () => {
  const { work, last } = gate(1, 5);
  const leave = await work.enter(anyone, 1, never);
  const order: number[] = [];
  const enterAs = async (number: number) => {
    const leaveAgain = await work.enter(anyone, 1, never);
    order.push(number);
    return leaveAgain;
  };
  const second = enterAs(2);
  const third = enterAs(3);
  assert.deepEqual(last(), [1, 2]);
  leave();
  (await second)();
  (await third)();
  assert.deepEqual(order, [2, 3]);
  assert.deepEqual(last(), [0, 0]);
});

test('a full line refuses with queue_full and a time to come back', async () => {
  const { work } = gate(1, 1);
  await work.enter(anyone, 1, never);
  void work.enter(anyone, 1, never);
  await assert.rejects(work.enter(anyone, 1, never), { code: 'queue_full', retryAfterSeconds: 2 });
});

test('a caller with all its requests in work is refused, others are not', async () => {
  const { work } = gate(10, 10);
  const one = { id: 'one', maxConcurrent: 1 };
  const leave = await work.enter(one, 1, never);
  await assert.rejects(work.enter(one, 1, never), { code: 'rate_limited' });
  await work.enter({ id: 'two', maxConcurrent: 1 }, 1, never);
  leave();
  await work.enter(one, 1, never);
});

test('whoever leaves the line makes room in it and for the next one', async () => {
  const { work, last } = gate(2, 2);
  const leave = await work.enter(anyone, 1, never);
  const gone = new AbortController();
  const large = work.enter(anyone, 2, gone.signal);
  const small = work.enter(anyone, 1, never);
  gone.abort();
  await assert.rejects(large, { code: 'cancelled' });
  (await small)();
  leave();
  assert.deepEqual(last(), [0, 0]);
});

test('a request larger than the gate gets its turn alone', async () => {
  const { work, last } = gate(2, 2);
  const leave = await work.enter(anyone, 8, never);
  assert.deepEqual(last(), [2, 0]);
  leave();
  leave();
  assert.deepEqual(last(), [0, 0]);
});

test('a request that is cancelled before it waits does not stay in line', async () => {
  const { work, last } = gate(1, 5);
  const leave = await work.enter(anyone, 1, never);
  await assert.rejects(work.enter(anyone, 1, AbortSignal.abort()), { code: 'cancelled' });
  assert.deepEqual(last(), [1, 0]);
  leave();
});
