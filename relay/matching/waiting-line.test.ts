import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { WaitingLine } from './waiting-line.ts';

const code = (expected: string) => (thrown: unknown) => thrown instanceof VesselError && thrown.code === expected;

/** Slots of each model, and asks that take one. */
class Slots {
  readonly queue: WaitingLine;
  readonly free: Record<string, number>;
  readonly served: string[] = [];

  constructor(limit: number, free: Record<string, number>) {
    this.queue = new WaitingLine(limit);
    this.free = free;
  }

  ask(name: string, model: string, rest: { deadlineMs?: number; signal?: AbortSignal } = {}): Promise<string> {
    const attempt = () => {
      if (!this.free[model]) return null;
      this.free[model]--;
      this.served.push(name);
      return name;
    };
    return this.queue.wait({ model, deadlineMs: rest.deadlineMs ?? 1000, signal: rest.signal, attempt });
  }

  release(model: string): void {
    this.free[model] = (this.free[model] ?? 0) + 1;
    this.queue.changed();
  }
}

test('an ask that finds a slot does not wait', async () => {
  const slots = new Slots(0, { m: 1 });
  assert.equal(await slots.ask('a', 'm'), 'a');
  assert.equal(slots.queue.length, 0);
});

test('first come, first served; nobody overtakes those who wait', async () => {
  const slots = new Slots(10, { m: 0 });
  const waiting = [slots.ask('a', 'm'), slots.ask('b', 'm')];
  slots.free.m = 1;
  const late = slots.ask('late', 'm');
  assert.deepEqual(slots.served, [], 'a free slot belongs to the head of the line');
  slots.queue.changed();
  slots.release('m');
  assert.deepEqual(await Promise.all(waiting), ['a', 'b']);
  assert.equal(slots.queue.lengthOf('m'), 1);
  slots.release('m');
  assert.equal(await late, 'late');
});

test('a line that cannot move does not hold back another model', async () => {
  const slots = new Slots(10, { m: 0, n: 0 });
  const stuck = slots.ask('m1', 'm');
  const moving = slots.ask('n1', 'n');
  slots.release('n');
  assert.equal(await moving, 'n1');
  slots.release('m');
  assert.equal(await stuck, 'm1');
});

test('one more than the limit is refused with queue_full', async () => {
  const slots = new Slots(1, {});
  const first = slots.ask('a', 'm');
  await assert.rejects(slots.ask('b', 'n'), code('queue_full'));
  slots.release('m');
  await first;
  assert.equal(slots.queue.length, 0);
});

test('a wait ends at its deadline, and those behind it go on', async () => {
  const slots = new Slots(10, {});
  const impatient = slots.ask('a', 'm', { deadlineMs: 50 });
  const patient = slots.ask('b', 'm');
  assert.equal(slots.queue.expire(49), 0);
  assert.equal(slots.queue.expire(50), 1);
  await assert.rejects(impatient, code('deadline'));
  slots.release('m');
  assert.equal(await patient, 'b');
});

test('an asker that hangs up leaves the line at once and its listener is gone', async () => {
  const slots = new Slots(10, {});
  const hangUp = new AbortController();
  const gone = slots.ask('a', 'm', { signal: hangUp.signal });
  const next = slots.ask('b', 'm');
  hangUp.abort(new Error('closed the tab'));
  await assert.rejects(gone, code('cancelled'));
  await assert.rejects(slots.ask('c', 'm', { signal: hangUp.signal }), code('cancelled'));
  slots.release('m');
  assert.equal(await next, 'b');
  assert.deepEqual(slots.served, ['b']);
});

test('aborting after being served changes nothing', async () => {
  const slots = new Slots(10, {});
  const hangUp = new AbortController();
  const served = slots.ask('a', 'm', { signal: hangUp.signal });
  slots.release('m');
  hangUp.abort();
  assert.equal(await served, 'a');
  assert.equal(slots.queue.length, 0);
});

test('an attempt that throws ends its own wait only', async () => {
  const queue = new WaitingLine(10);
  let isFree = false;
  const attempt = (name: string) => () => (isFree ? name : null);
  let hasFailed = false;
  const broken = queue.wait({
    model: 'm',
    deadlineMs: 1,
    attempt: () => {
      if (isFree) throw new VesselError('rate_limited');
      hasFailed = true;
      return null;
    },
  });
  const fine = queue.wait({ model: 'm', deadlineMs: 1, attempt: attempt('fine') });
  isFree = true;
  queue.changed();
  await assert.rejects(broken, code('rate_limited'));
  assert.equal(await fine, 'fine');
  assert.ok(hasFailed);
});

test('a change from within an attempt is seen, and an attempt that only changes things does not loop', async () => {
  const queue = new WaitingLine(10);
  let tries = 0;
  const stuck = queue.wait<string>({
    model: 'm',
    deadlineMs: 1,
    attempt: () => {
      tries++;
      queue.changed();
      return null;
    },
  });
  queue.changed();
  assert.ok(tries < 10);
  queue.close(new VesselError('relay_lost'));
  await assert.rejects(stuck, code('relay_lost'));
});
