import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GraphManifest } from '../shared/models/manifest.ts';
import type { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { PresenceRelayMessage, ShardState } from '../shared/protocol/presence-messages.ts';
import { peerName } from '../testing/fake-links.ts';
import { languageModel } from '../testing/language-model.ts';
import { ManualTime } from '../testing/manual-time.ts';
import { Coordinator } from './coordinator.ts';
import { ServedModels } from './models/served-models.ts';

const model = languageModel({ layers: 4 });
const graphId = `b${'g'.repeat(58)}`;
const graph: GraphManifest = {
  format: 'vessel-model/1',
  kind: 'graph',
  name: 'sum',
  service: 'sum',
  graph: { cid: graphId, bytes: 100, leaves: [] },
  settings: {},
  source: 'test',
};
const asker = peerName('asker');

async function network({ maxQueued = 10 } = {}) {
  const time = new ManualTime();
  const models = new ServedModels({
    list: async () => [
      { id: model.id, manifest: model.manifest, bytes: 384 },
      { id: graphId, manifest: graph, bytes: 100 },
    ],
  });
  await models.refresh();
  const clock = { now: time.clock, after: time.after };
  const coordinator = new Coordinator({ models, clock, policy: () => ({ maxLayersPerProvider: 2 }), queueMs: 15_000, maxQueued });
  return { time, coordinator, match: (name = 'test-model', tokens = 20) => coordinator.match({ model: name, tokens, asker }) };
}

type Network = Awaited<ReturnType<typeof network>>;

/** A provider that does what the relay says. */
class Tab {
  readonly peer: string;
  readonly received: PresenceRelayMessage[] = [];
  shards: ShardState[] = [];
  sessions = 0;
  slots = 4;
  readonly #network: Network;

  constructor(place: Network, name: string, memoryBytes = 1e9) {
    this.#network = place;
    this.peer = peerName(name);
    const capability = { backend: 'wasm', adapter: 'test', f16: false, memoryBytes } as const;
    place.coordinator.offer(this.peer, `0x${'1'.repeat(40)}`, capability, (message) => {
      this.received.push(message);
      if (message.type === 'assign') this.shards = message.shards.map((ref) => ({ ...ref, phase: 'ready', progress: 1 }));
    });
    this.beat();
  }

  beat(state: 'sharing' | 'paused' | 'leaving' = 'sharing'): void {
    const { shards, sessions, slots } = this;
    const beat = { type: 'heartbeat', state, shards, sessions, slots, stepMs: null, links: [] } as const;
    this.#network.coordinator.heartbeat(this.peer, { ...beat, shards: [...shards], links: [] });
  }

  count(type: PresenceRelayMessage['type']): number {
    return this.received.filter((message) => message.type === type).length;
  }
}

/** Assignments go out, are followed, and are reported. */
function settle({ time, coordinator }: Network, ...tabs: Tab[]): void {
  for (let round = 0; round < 4; round++) {
    time.advance(100);
    for (const tab of tabs) tab.beat();
    coordinator.tick();
  }
}

test('[PR16] a model that is not here is refused with what to do about it', async () => {
  const { match } = await network();
  await assert.rejects(match('gpt-17'), { code: 'model_not_found', message: /"gpt-17".*v1\/models/ });
});

test('[PR16] more tokens than the model’s context are refused at once', async () => {
  const { match } = await network();
  await assert.rejects(match('test-model', 513), { code: 'context_exceeded' });
});

test('[PR16] layers that nobody brings end the wait with no_route, which says how many there are and what helps', async () => {
  const place = await network();
  const tab = new Tab(place, 'one');
  settle(place, tab);
  const asked = place.match();
  const refused = assert.rejects(asked, (error: VesselError) => {
    assert.equal(error.code, 'no_route');
    assert.match(error.message, /1 providers online \(1 of them with layers of it\).*test-model.*one more tab/);
    return true;
  });
  for (let i = 0; i < 16; i++) {
    place.time.advance(1000);
    tab.beat();
    place.coordinator.tick();
  }
  await refused;
  assert.equal(place.coordinator.waiting, 0);
});

test('[PR16] an ask waits for the provider that is missing and goes on when it joins', async () => {
  const place = await network();
  const first = new Tab(place, 'one');
  settle(place, first);
  const asked = place.match();
  const second = new Tab(place, 'two');
  settle(place, first, second);
  const route = await asked;
  assert.deepEqual(
    route.hops.map(({ from, to }) => [from, to]),
    [
      [0, 2],
      [2, 4],
    ],
  );
  assert.deepEqual([first.count('lease'), second.count('lease')], [1, 1]);
});

test('[PR16] more asks than may wait are refused with queue_full', async () => {
  const place = await network({ maxQueued: 2 });
  const waiting = [place.match(), place.match()];
  await assert.rejects(place.match(), { code: 'queue_full' });
  place.coordinator.close();
  for (const wait of waiting) await assert.rejects(wait, { code: 'relay_lost' });
});

test('[LE7] slots are taken on every hop or on none; the next ask waits for a release', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two')];
  for (const tab of tabs) tab.slots = 1;
  settle(place, ...tabs);
  const first = await place.match();
  const second = place.match();
  assert.deepEqual([place.coordinator.sessions, place.coordinator.waiting], [1, 1]);
  place.coordinator.release(first.session, asker);
  assert.notEqual((await second).session, first.session);
  assert.deepEqual(
    tabs.map((tab) => [tab.count('lease'), tab.count('release')]),
    [
      [2, 1],
      [2, 1],
    ],
  );
});

test('[LE8] sessions of an asker that is there last; those of one that left run out', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two')];
  settle(place, ...tabs);
  place.coordinator.askerOnline(asker, true);
  await place.match();
  const pass = (ms: number) => {
    for (let left = ms; left > 0; left -= 1000) {
      place.time.advance(1000);
      for (const tab of tabs) tab.beat();
      place.coordinator.tick();
    }
  };
  pass(2 * limits.sessionLeaseMs);
  assert.equal(place.coordinator.sessions, 1);
  place.coordinator.askerOnline(asker, false);
  pass(limits.sessionLeaseMs + 1000);
  assert.equal(place.coordinator.sessions, 0);
});

test('[LE9] a release by somebody else changes nothing', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two')];
  settle(place, ...tabs);
  const { session } = await place.match();
  place.coordinator.release(session, peerName('other'));
  place.coordinator.release('f'.repeat(32), asker);
  assert.equal(place.coordinator.sessions, 1);
  place.coordinator.release(session, asker);
  assert.equal(place.coordinator.sessions, 0);
});

test('[PR15] a provider that misses its heartbeats is forgotten, and its layers go to somebody else', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two'), new Tab(place, 'three')] as const;
  settle(place, ...tabs);
  assert.equal(place.coordinator.isReady(model.id), true);
  const silent = tabs[0];
  for (let i = 0; i < 12; i++) {
    place.time.advance(500);
    for (const tab of tabs.slice(1)) tab.beat();
    place.coordinator.tick();
  }
  settle(place, ...tabs.slice(1));
  assert.equal(place.coordinator.providers, 2);
  assert.equal(place.coordinator.isReady(model.id), true);
  silent.beat();
  assert.equal(place.coordinator.providers, 2, 'it has to be offered again');
});

test('[PR9] an assignment is said once, in full, and again when it changes', async () => {
  const place = await network();
  const tab = new Tab(place, 'one');
  settle(place, tab);
  assert.deepEqual(
    tab.received.map((message) => message.type === 'assign' && message.shards.map(({ model: id }) => id)),
    [[model.id, graphId]],
  );
  settle(place, tab);
  assert.equal(tab.count('assign'), 1);
  tab.beat('paused');
  place.time.advance(100);
  assert.deepEqual(tab.shards, []);
});

test('[PR18] a provider whose shard could not be loaded rests, and others take its place', async () => {
  const place = await network();
  const [broken, fine] = [new Tab(place, 'broken'), new Tab(place, 'fine')];
  settle(place, broken, fine);
  const spare = new Tab(place, 'spare');
  settle(place, broken, fine, spare);
  const failing = broken.shards.find(({ model: id }) => id === model.id)!;
  broken.shards = [{ ...failing, phase: 'failed', progress: 0 }];
  broken.beat();
  for (let i = 0; i < 4; i++) {
    place.time.advance(100);
    for (const tab of [fine, spare]) tab.beat();
  }
  const taken = [fine, spare].flatMap(({ shards }) => shards.filter(({ model: id }) => id === model.id).map(({ from }) => from));
  assert.deepEqual(taken.sort(), [0, 2]);
});

test('[PR10] a whole graph is one hop, on the holder with the fewest sessions', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two')];
  settle(place, ...tabs);
  const routes = [await place.match('sum', 1), await place.match('sum', 1)];
  assert.deepEqual(
    routes.map(({ hops }) => hops.length),
    [1, 1],
  );
  assert.equal(new Set(routes.map(({ hops }) => hops[0]!.provider)).size, 2);
});

test('[PR16] an ask that is aborted leaves the line', async () => {
  const place = await network();
  const abort = new AbortController();
  const asked = place.coordinator.match({ model: 'test-model', tokens: 5, asker, signal: abort.signal });
  assert.equal(place.coordinator.waiting, 1);
  abort.abort();
  await assert.rejects(asked, { code: 'cancelled' });
  assert.equal(place.coordinator.waiting, 0);
});

test('[FO8] a session that lost a hop gets another holder of its layers; only its asker may ask for one', async () => {
  const place = await network();
  const tabs = ['one', 'two', 'three', 'four'].map((name) => new Tab(place, name));
  settle(place, ...tabs);
  const { session, hops } = await place.match();
  const [first, second] = hops;
  const lost = tabs.find(({ peer }) => peer === second!.provider)!;
  const kept = [{ provider: first!.provider, from: first!.from, to: first!.to }];
  const again = { model: 'test-model', tokens: 20, avoid: [lost.peer], again: { session, kept } };
  const stranger = place.coordinator.match({ ...again, asker: peerName('stranger') });
  await assert.rejects(stranger, (error: VesselError) => error.code === 'forbidden');
  const moved = await place.coordinator.match({ ...again, asker });
  assert.equal(moved.session, session);
  assert.equal(moved.hops[0]!.provider, first!.provider, 'the hop that holds its part of the KV stays');
  assert.notEqual(moved.hops[1]!.provider, lost.peer);
  assert.deepEqual([moved.hops[1]!.from, moved.hops[1]!.to], [second!.from, second!.to]);
  const other = tabs.find(({ peer }) => peer === moved.hops[1]!.provider)!;
  const lease = other.received.findLast(({ type }) => type === 'lease');
  assert.ok(lease?.type === 'lease' && lease.again === true && lease.session === session);
  assert.equal(tabs.find(({ peer }) => peer === first!.provider)!.count('lease'), 1, 'a hop that stays needs no lease');
  assert.equal(place.coordinator.sessions, 1);
});

test('[FO8] a relay that was started again takes the asker’s word for the hops that stay', async () => {
  const place = await network();
  const tabs = [new Tab(place, 'one'), new Tab(place, 'two')];
  settle(place, ...tabs);
  const holder = tabs.find(({ shards }) => shards[0]?.from === 2)!;
  const kept = [{ provider: peerName('unknown'), from: 0, to: 2 }];
  const again = { session: 'ab'.repeat(16), kept };
  const { hops } = await place.coordinator.match({ model: 'test-model', tokens: 20, asker, again });
  assert.deepEqual(
    hops.map(({ provider }) => provider),
    [peerName('unknown'), holder.peer],
  );
});

test('[FO8] where nobody holds just the lost layers, a whole other route takes over', async () => {
  const place = await network();
  const tabs = ['one', 'two'].map((name) => new Tab(place, name));
  settle(place, ...tabs);
  const whole = new Tab(place, 'three');
  settle(place, ...tabs, whole);
  const { session, hops } = await place.match();
  // The hop that stays holds other layers than any provider leaves room for.
  const kept = [{ provider: hops[0]!.provider, from: 0, to: 1 }];
  const again = { model: 'test-model', tokens: 20, avoid: [], again: { session, kept }, asker };
  const moved = await place.coordinator.match(again);
  assert.deepEqual(
    moved.hops.map(({ from, to }) => [from, to]),
    [
      [0, 2],
      [2, 4],
    ],
  );
});
