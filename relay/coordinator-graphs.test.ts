/** Where the coordinator puts whole graphs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { limits } from '../shared/protocol/limits.ts';
import type { PresenceRelayMessage, ShardRef } from '../shared/protocol/presence-messages.ts';
import { fixtureBytes } from '../testing/fixture-file.ts';
import { Coordinator } from './coordinator.ts';
import { importGraph } from './models/import-graph.ts';
import { ModelStore } from './models/model-store.ts';
import { ServedModels } from './models/served-models.ts';

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

/** A relay with `count` graphs of 26 kB each, and time that passes by hand. */
async function relayWith(count: number) {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-graphs-'));
  folders.push(folder);
  const store = await new ModelStore(folder).open();
  const adding = await store.startAdding();
  for (let i = 0; i < count; i++) {
    const what = { name: `digits-${i}`, service: 'image-classification', settings: { scale: 1 }, origin: 'a test' };
    await store.add((await importGraph(fixtureBytes('mnist/mnist-8.onnx'), what, adding)).manifest);
  }
  await adding.done();
  const models = new ServedModels(store);
  await models.refresh();
  let nowMs = 0;
  let timers: (() => void)[] = [];
  const clock = {
    now: () => nowMs,
    after: (_ms: number, run: () => void) => {
      timers.push(run);
      return () => {
        timers = timers.filter((timer) => timer !== run);
      };
    },
  };
  const coordinator = new Coordinator({ models, clock, policy: () => ({}), queueMs: 1000, maxQueued: 10 });
  const assigned = new Map<string, readonly ShardRef[]>();
  /** Lets changes settle, as a few milliseconds would. */
  const settle = () => {
    for (const run of timers.splice(0)) run();
  };
  return {
    coordinator,
    settle,
    pass: (ms: number) => {
      nowMs += ms;
    },
    offer: (id: string, memoryBytes = 1e9) => {
      assigned.set(id, []);
      const capability = { backend: 'wasm', adapter: 'test', f16: false, memoryBytes } as const;
      coordinator.offer(id, 'account', capability, (message: PresenceRelayMessage) => {
        if (message.type === 'assign') assigned.set(id, message.shards);
      });
    },
    beat: (id: string, phase: 'ready' | 'failed') => {
      const shards = assigned.get(id)!.map((shard) => ({ ...shard, phase, progress: 1 }));
      coordinator.heartbeat(id, { type: 'heartbeat', state: 'sharing', shards, sessions: 0, slots: 4, stepMs: null, links: [] });
    },
    held: (id: string) => assigned.get(id)!.length,
  };
}

test('a graph goes to two providers, and to another one when one of them leaves', async () => {
  const { coordinator, offer, held, settle } = await relayWith(1);
  for (const id of ['a', 'b', 'c']) offer(id);
  settle();
  assert.deepEqual(['a', 'b', 'c'].map(held), [1, 1, 0]);
  coordinator.withdraw('a');
  settle();
  assert.deepEqual(['b', 'c'].map(held), [1, 1]);
});

test('graphs spread over the providers, and nobody is told of more shards than a message may name', async () => {
  const { offer, held, settle } = await relayWith(20);
  offer('a');
  settle();
  assert.equal(held('a'), limits.maxShardsPerProvider - 1);
  for (const id of ['b', 'c', 'd']) offer(id);
  settle();
  assert.ok(['b', 'c', 'd'].every((id) => held(id) < limits.maxShardsPerProvider));
  assert.equal(
    ['a', 'b', 'c', 'd'].map(held).reduce((sum, count) => sum + count),
    40,
  );
});

test('a provider without memory for a graph does not get it', async () => {
  const { offer, held, settle } = await relayWith(2);
  offer('a', 40_000);
  offer('b', 10_000);
  settle();
  assert.deepEqual(['a', 'b'].map(held), [1, 0]);
});

test('a graph that fails on a provider is tried on another one, and there again only after a rest', async () => {
  const { coordinator, offer, beat, held, settle, pass } = await relayWith(1);
  offer('a');
  settle();
  beat('a', 'failed');
  settle();
  assert.equal(held('a'), 0);
  offer('b');
  settle();
  assert.deepEqual(['a', 'b'].map(held), [0, 1]);
  beat('b', 'ready');
  assert.ok(coordinator.isReady(coordinator.view().models[0]!.id));
  pass(31_000);
  coordinator.modelsChanged();
  settle();
  assert.deepEqual(['a', 'b'].map(held), [1, 1]);
});
