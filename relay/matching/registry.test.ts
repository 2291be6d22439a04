import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../shared/protocol/limits.ts';
import { Registry } from './registry.ts';
import { sampleProvider } from './testing/sample-network.ts';

const silenceMs = limits.heartbeatMs * limits.heartbeatMissesAllowed;

function registryWith(...ids: string[]): Registry {
  const registry = new Registry();
  for (const id of ids) registry.join(sampleProvider(id, 100), 0);
  return registry;
}

test('three missed heartbeats end the offer, two do not', () => {
  const registry = registryWith('a', 'b');
  assert.equal(registry.heartbeat('b', {}, silenceMs), 'same');
  assert.deepEqual(registry.expire(silenceMs), []);
  assert.deepEqual(registry.expire(silenceMs + 1), ['a']);
  assert.equal(registry.size, 1);
  assert.equal(registry.heartbeat('a', {}, silenceMs + 2), 'unknown');
});

test('a heartbeat that says nothing new changes nothing; slots, state and pledge do', () => {
  const registry = registryWith('a');
  assert.equal(registry.heartbeat('a', { slots: { total: 4, used: 0 }, state: 'sharing', memoryBytes: 100 }, 1), 'same');
  assert.equal(registry.heartbeat('a', { slots: { total: 4, used: 1 } }, 2), 'changed');
  assert.equal(registry.heartbeat('a', { state: 'paused' }, 3), 'changed');
  assert.equal(registry.heartbeat('a', { memoryBytes: 50 }, 4), 'changed');
  assert.equal(registry.get('a')!.lastSeenMs, 4);
});

test('a provider that leaves does not come back by a late heartbeat', () => {
  const registry = registryWith('a');
  registry.heartbeat('a', { state: 'leaving' }, 1);
  assert.equal(registry.heartbeat('a', { state: 'sharing' }, 2), 'same');
  assert.equal(registry.get('a')!.state, 'leaving');
});

test('a shard goes from assigned through loading to ready by reports of that range', () => {
  const registry = registryWith('a');
  const range = { model: 'm', from: 0, to: 4 };
  registry.assign('a', range);
  assert.equal(registry.get('a')!.shard!.phase, 'assigned');
  assert.equal(registry.heartbeat('a', { shard: null }, 1), 'same', 'the assignment is still on its way');
  assert.equal(registry.heartbeat('a', { shard: { ...range, to: 8, phase: 'ready', progress: 1 } }, 1), 'same', 'an old shard');
  assert.equal(registry.heartbeat('a', { shard: { ...range, phase: 'loading', progress: 0.5 } }, 2), 'changed');
  assert.equal(registry.heartbeat('a', { shard: { ...range, phase: 'loading', progress: 0.7 } }, 3), 'same');
  assert.equal(registry.heartbeat('a', { shard: { ...range, phase: 'ready', progress: 1 } }, 4), 'changed');
  registry.assign('a', range);
  assert.equal(registry.get('a')!.shard!.phase, 'ready', 'assigning the same again does not start over');
  assert.equal(registry.heartbeat('a', { shard: null }, 5), 'changed', 'dropped');
  assert.equal(registry.get('a')!.shard, null);
});

test('a relay that knows nothing learns what is loaded from join or heartbeat; a shard taken away does not come back', () => {
  const registry = registryWith('a');
  const shard = { model: 'm', from: 0, to: 4, phase: 'ready' as const, progress: 1 };
  assert.equal(registry.heartbeat('a', { shard }, 1), 'changed');
  assert.deepEqual(registry.get('a')!.shard, shard);
  registry.assign('a', null);
  assert.equal(registry.heartbeat('a', { shard }, 2), 'same');
  assert.equal(registry.get('a')!.shard, null);
  registry.join(sampleProvider('a', 100, { shard }), 3);
  assert.deepEqual(registry.get('a')!.shard, shard);
});

test('round trips prove a pair, failures disprove it, and both go with the peer', () => {
  const registry = registryWith('a', 'b');
  registry.heartbeat('a', { unreachable: ['peer-b'] }, 1);
  assert.deepEqual([...registry.get('a')!.unreachable], ['peer-b']);
  assert.equal(registry.heartbeat('a', { rttMs: [['peer-b', 20]] }, 2), 'changed');
  assert.deepEqual([...registry.get('a')!.unreachable, ...registry.get('a')!.rttMsToPeers], [['peer-b', 20]]);
  registry.leave('b');
  assert.equal(registry.get('a')!.rttMsToPeers.size, 0);
});

test("the record is the registry's own: what was passed in can be changed without harm", () => {
  const registry = new Registry();
  const given = sampleProvider('a', 100);
  registry.join(given, 0);
  given.slots.used = 3;
  given.unreachable.add('x');
  assert.equal(registry.get('a')!.slots.used, 0);
  assert.equal(registry.get('a')!.unreachable.size, 0);
});
