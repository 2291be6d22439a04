import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../shared/protocol/errors.ts';
import { hopUnderTest, opened, openMessage, say, testModel } from '../testing/hop-under-test.ts';

const ref = (from: number, to: number) => ({ model: testModel.id, from, to });
const missing = { model: `b${'z'.repeat(58)}`, from: 0, to: 1 };

test('[MO6] a new assignment lets an idle shard go at once and loads the next', async () => {
  const { hop, wires } = await hopUnderTest(0, 6);
  hop.core.assign([ref(0, 2)]);
  await wires.settle();
  assert.deepEqual(hop.core.status().shards, [{ ...ref(0, 2), phase: 'ready', progress: 1 }]);
  assert.equal(hop.runtimes.length, 2);
});

test('[MO7] a shard with sessions on it takes no new ones and goes when they have ended', async () => {
  const place = await hopUnderTest(0, 6);
  const { hop, wires, asker } = place;
  const open = await opened(place, openMessage(0, 6));
  hop.core.assign([ref(0, 2)]);
  await wires.settle();
  assert.deepEqual(hop.core.status().shards, []);
  await opened(place, openMessage(0, 6));
  assert.equal(asker.story.at(-1), 'provider_lost');
  await say(place, { type: 'start', session: open.session }, { type: 'close', session: open.session });
  assert.ok(asker.story.includes('done'));
  assert.deepEqual(
    hop.core.status().shards.map(({ to, phase }) => [to, phase]),
    [[2, 'ready']],
  );
});

test('[MO7] a session that does not end in time goes with its shard', async () => {
  const place = await hopUnderTest(0, 6);
  await opened(place, openMessage(0, 6));
  place.hop.core.assign([ref(0, 2)]);
  await place.wires.wait(29_000);
  assert.equal(place.hop.core.status().sessions, 1);
  await place.wires.wait(1500);
  assert.equal(place.asker.story.at(-1), 'provider_lost');
  assert.equal(place.hop.openCaches, 0);
  assert.equal(place.hop.core.status().shards[0]?.to, 2);
  assert.equal(place.wires.time.waiting, 0);
});

test('[MO7] a shard that is wanted again while it drains stays', async () => {
  const place = await hopUnderTest(0, 6);
  await opened(place, openMessage(0, 6));
  place.hop.core.assign([]);
  place.hop.core.assign([ref(0, 6)]);
  await place.wires.wait(31_000);
  assert.equal(place.hop.runtimes.length, 1);
  assert.equal(place.hop.core.status().sessions, 1);
});

test('[MO8] a load that fails is tried again, later each time, until it succeeds', async () => {
  let tries = 0;
  const load = async () => {
    if (++tries < 4) throw new VesselError('bad_blob');
    return null;
  };
  const { hop, wires } = await hopUnderTest(0, 6, { load });
  assert.equal(hop.core.status().failure?.code, 'bad_blob');
  assert.equal(hop.core.status().shards[0]?.phase, 'failed');
  const after: number[] = [];
  for (const ms of [1750, 500, 3500, 500, 7500, 500]) {
    await wires.wait(ms);
    after.push(tries);
  }
  assert.deepEqual(after, [1, 2, 2, 3, 3, 4]);
  assert.equal(hop.core.status().failure, null);
  assert.equal(hop.core.status().shards[0]?.phase, 'ready');
  assert.equal(wires.time.waiting, 0);
});

test('[MO8] a load that fails does not keep others from loading', async () => {
  const { hop, wires } = await hopUnderTest(0, 6);
  hop.core.assign([missing, ref(0, 3)]);
  await wires.settle();
  const phases = hop.core.status().shards.map(({ phase, to }) => [phase, to]);
  assert.deepEqual(phases, [
    ['ready', 3],
    ['failed', 1],
  ]);
  await wires.wait(2250);
  assert.equal(hop.core.status().shards.length, 2);
  hop.core.assign([ref(0, 3)]);
  assert.equal(hop.core.status().failure, null);
  assert.equal(wires.time.waiting, 0);
});

test('[MO6] an assignment that changes during a load ends that load', async () => {
  const aborted: boolean[] = [];
  const load = (shard: { to: number }, signal: AbortSignal) =>
    shard.to === 6
      ? new Promise<null>((_, reject) => signal.addEventListener('abort', () => reject(aborted.push(signal.aborted))))
      : Promise.resolve(null);
  const { hop, wires } = await hopUnderTest(0, 6, { load });
  assert.equal(hop.core.status().shards[0]?.phase, 'downloading');
  hop.core.assign([ref(0, 3)]);
  await wires.settle();
  assert.deepEqual(aborted, [true]);
  assert.deepEqual(
    hop.core.status().shards.map(({ to, phase }) => [to, phase]),
    [[3, 'ready']],
  );
});
