import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { accountOf } from '../../sdk/net/device-key.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { PresenceClientMessage } from '../../shared/protocol/presence-messages.ts';
import { languageModel } from '../../testing/language-model.ts';
import { ManualTime } from '../../testing/manual-time.ts';
import { helloOf, newIdentity, PresenceClient } from '../../testing/presence-client.ts';
import { Coordinator } from '../coordinator.ts';
import { ServedModels } from '../models/served-models.ts';
import { PresenceServer } from './presence-server.ts';

const model = languageModel({ layers: 4 });
const capability = { backend: 'wasm', adapter: 'test', f16: false, memoryBytes: 1e9 } as const;
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

async function relay({ maxQueued = 100 } = {}) {
  const time = new ManualTime();
  const models = new ServedModels({ list: async () => [{ id: model.id, manifest: model.manifest, bytes: 64 * 6 }] });
  await models.refresh();
  const clock = { now: time.clock, after: time.after };
  const coordinator = new Coordinator({ models, clock, policy: () => ({ maxLayersPerProvider: 2 }), queueMs: 15_000, maxQueued });
  const presence = new PresenceServer({
    coordinator,
    relayPeer: `12D3KooW${'r'.repeat(44)}`,
    relayAddresses: () => ['/p2p/relay'],
    iceServers: (peer) => [{ urls: ['turn:turn.example'], username: `${time.clock()}:${peer}`, credential: 'secret' }],
    now: time.clock,
  });
  const server = createServer();
  server.on('upgrade', (request, socket, head) => presence.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    presence.close();
    coordinator.close();
    server.close();
    server.closeAllConnections();
  });
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/presence`;
  return { time, coordinator, presence, url, client: () => PresenceClient.welcomed(url) };
}

function heartbeat(shards: { from: number; to: number }[]): PresenceClientMessage {
  return {
    type: 'heartbeat',
    state: 'sharing',
    shards: shards.map(({ from, to }) => ({ model: model.id, from, to, phase: 'ready', progress: 1 })),
    sessions: 0,
    slots: 4,
    stepMs: null,
    links: [],
  };
}

/** A provider that holds what it is told to, at once. */
async function provider(place: Awaited<ReturnType<typeof relay>>) {
  const client = await place.client();
  client.send({ type: 'offer', capability });
  client.send(heartbeat([]));
  await answered(client);
  place.time.advance(60);
  const { shards } = await client.next('assign');
  client.send(heartbeat(shards));
  await answered(client);
  place.time.advance(60);
  return Object.assign(client, { shards });
}

/** Everything sent before has been handled. */
async function answered(client: PresenceClient): Promise<void> {
  client.send({ type: 'watch', on: true });
  await client.next('network');
  client.send({ type: 'watch', on: false });
}

test('[PR1] every connection is met with the version and a nonce of its own', async () => {
  const { url } = await relay();
  const [a, b] = [new PresenceClient(url), new PresenceClient(url)];
  const [first, second] = [await a.next('challenge'), await b.next('challenge')];
  assert.equal(first.version, 1);
  assert.notEqual(first.nonce, second.nonce);
});

test('[PR2] [PR8] a hello signed by both keys is welcomed with its account', async () => {
  const { url } = await relay();
  const who = await newIdentity();
  const client = new PresenceClient(url);
  const { nonce } = await client.next('challenge');
  client.send(await helloOf(who, nonce));
  const welcome = await client.next('welcome');
  assert.equal(welcome.account, accountOf(who.key.publicKey));
  assert.deepEqual(welcome.relayAddresses, ['/p2p/relay']);
});

test('[PR2] [PR3] a hello that is not signed by both keys for this challenge is refused', async () => {
  const { url } = await relay();
  const [who, other] = [await newIdentity(), await newIdentity()];
  const old = new PresenceClient(url);
  const replayed = await helloOf(who, (await old.next('challenge')).nonce);
  const hellos = {
    'a replayed one': async () => replayed,
    'another device key': async (nonce: string) => ({ ...(await helloOf(who, nonce)), key: (await helloOf(other, nonce)).key }),
    'a peer id of somebody else': async (nonce: string) => {
      const stolen = { ...other, peer: who.peer };
      return helloOf(stolen, nonce);
    },
    'a signature that is none': async (nonce: string) => ({ ...(await helloOf(who, nonce)), signature: 'AAAA' }),
    'a peer signature that is none': async (nonce: string) => ({ ...(await helloOf(who, nonce)), peerSignature: 'AAAA' }),
    'a peer id without a key': async (nonce: string) => ({ ...(await helloOf(who, nonce)), peer: 'Q'.padEnd(46, 'm') }),
  };
  for (const [why, hello] of Object.entries(hellos)) {
    const client = new PresenceClient(url);
    client.send(await hello((await client.next('challenge')).nonce));
    assert.equal((await client.next('error')).code, 'unauthorized', why);
    assert.deepEqual(await client.ended(), { code: 1008, reason: 'unauthorized' });
  }
});

test('[PV1] a hello of another version is refused by that name', async () => {
  const { url } = await relay();
  const client = new PresenceClient(url);
  const hello = await helloOf(await newIdentity(), (await client.next('challenge')).nonce);
  client.send({ ...hello, version: 2 });
  assert.equal((await client.next('error')).code, 'version_mismatch');
});

test('[PR4] hello comes first, and once', async () => {
  const { url, client } = await relay();
  const silent = new PresenceClient(url);
  await silent.next('challenge');
  silent.send({ type: 'offer', capability });
  assert.equal((await silent.next('error')).code, 'unauthorized');
  const twice = await client();
  twice.send(await helloOf(twice.identity, 'x'));
  assert.equal((await twice.next('error')).code, 'bad_message');
  assert.equal((await twice.ended()).code, 1008);
});

test('[PR5] whoever says what is no message loses the connection, and nobody else does', async () => {
  const place = await relay();
  const bystander = await place.client();
  const wrong = [
    '{',
    '{"type":"launch"}',
    JSON.stringify({ type: 'watch', on: true, extra: 1 }),
    JSON.stringify({ type: 'match', id: 1, model: 'x', tokens: limits.maxContext + 1 }),
    Buffer.from(JSON.stringify({ type: 'watch', on: true })),
  ];
  for (const text of wrong) {
    const client = await place.client();
    client.socket.send(text);
    assert.equal((await client.next('error')).code, 'bad_message', String(text));
    assert.equal((await client.ended()).code, 1008);
  }
  await answered(bystander);
});

test('[PR6] a message larger than any presence message ends the connection unread', async () => {
  const place = await relay();
  const [client, bystander] = [await place.client(), await place.client()];
  client.socket.send('x'.repeat(64 * 1024 + 1));
  await client.ended();
  await answered(bystander);
  assert.equal(place.presence.connections, 1);
});

test('[PR7] a client that floods is told so and disconnected; one that pauses is not', async () => {
  const place = await relay();
  const [flood, steady] = [await place.client(), await place.client()];
  for (let i = 0; i < 200; i++) flood.socket.send('{"type":"watch","on":false}');
  assert.equal((await flood.next('error')).code, 'rate_limited');
  assert.equal((await flood.ended()).code, 1008);
  for (let i = 0; i < 5; i++) {
    for (let n = 0; n < 40; n++) steady.socket.send('{"type":"watch","on":false}');
    await answered(steady);
    place.time.advance(1000);
  }
  assert.equal(steady.closed, null);
});

test('[PR9] [PR10] providers are told what to hold; a match leases every hop and names the route', async () => {
  const place = await relay();
  const [a, b] = [await provider(place), await provider(place)];
  const covered = [...a.shards, ...b.shards].map(({ from, to }) => [from, to]).sort();
  assert.deepEqual(covered, [
    [0, 2],
    [2, 4],
  ]);
  const asker = await place.client();
  asker.send({ type: 'match', id: 7, model: 'test-model', tokens: 20 });
  const route = await asker.next('route');
  assert.deepEqual(
    [route.id, route.model, route.hops.map(({ from, to }) => [from, to])],
    [
      7,
      model.id,
      [
        [0, 2],
        [2, 4],
      ],
    ],
  );
  for (const hop of [a, b]) {
    const lease = await hop.next('lease');
    assert.deepEqual([lease.session, lease.asker, lease.capacity], [route.session, asker.identity.peer, 20]);
    assert.ok(route.hops.some(({ provider: peer, from }) => peer === hop.identity.peer && from === lease.from));
  }
  asker.send({ type: 'release', session: route.session });
  for (const hop of [a, b]) assert.equal((await hop.next('release')).session, route.session);
  assert.equal(place.coordinator.sessions, 0);
});

test('[LE9] nobody but its asker can release a session', async () => {
  const place = await relay();
  const hops = [await provider(place), await provider(place)];
  const asker = await place.client();
  asker.send({ type: 'match', id: 1, model: model.id, tokens: 5 });
  const { session } = await asker.next('route');
  for (const other of [hops[0]!, await place.client()]) {
    other.send({ type: 'release', session });
    await answered(other);
  }
  assert.equal(place.coordinator.sessions, 1);
});

test('[PR10] a match that cannot be is refused with its id and the reason', async () => {
  const place = await relay();
  const asker = await place.client();
  asker.send({ type: 'match', id: 1, model: 'unheard-of', tokens: 5 });
  asker.send({ type: 'match', id: 2, model: 'test-model', tokens: 513 });
  const refusals = [await asker.next('refused'), await asker.next('refused')];
  assert.deepEqual(
    refusals.map(({ id, code }) => [id, code]),
    [
      [1, 'model_not_found'],
      [2, 'context_exceeded'],
    ],
  );
});

test('[PR11] a disconnect takes the offer back and ends the asks that wait', async () => {
  const place = await relay();
  const [leaving, asker] = [await provider(place), await place.client()];
  asker.send({ type: 'match', id: 1, model: 'test-model', tokens: 5 });
  await answered(asker);
  assert.deepEqual([place.coordinator.providers, place.coordinator.waiting], [1, 1]);
  leaving.socket.close();
  asker.socket.close();
  await until(() => place.presence.connections === 0);
  assert.deepEqual([place.coordinator.providers, place.coordinator.waiting], [0, 0]);
});

test('[PR12] the newest connection of a peer counts: the old one ends and takes nothing along', async () => {
  const place = await relay();
  const old = await provider(place);
  const renewed = await PresenceClient.welcomed(place.url, old.identity);
  renewed.send({ type: 'offer', capability });
  renewed.send(heartbeat(old.shards));
  await answered(renewed);
  assert.equal((await old.next('error')).code, 'forbidden');
  await old.ended();
  await until(() => place.presence.connections === 1);
  assert.equal(place.coordinator.providers, 1);
  assert.equal(renewed.closed, null);
});

test('[PR13] whoever watches is sent the network as it is, until it watches no more', async () => {
  const place = await relay();
  const hop = await provider(place);
  const watcher = await place.client();
  watcher.send({ type: 'watch', on: true });
  const { view } = await watcher.next('network');
  assert.deepEqual(
    view.providers.map(({ peer, shards }) => [peer, shards.length]),
    [[hop.identity.peer, 1]],
  );
  place.presence.broadcastView();
  await watcher.next('network');
  watcher.send({ type: 'watch', on: false });
  watcher.send({ type: 'match', id: 1, model: 'nothing', tokens: 1 });
  await watcher.next('refused');
  place.presence.broadcastView();
  watcher.send({ type: 'match', id: 2, model: 'nothing', tokens: 1 });
  await watcher.next('refused');
  assert.ok(watcher.received.every(({ type }) => type !== 'network'));
});

test('[PR14] one client cannot fill the waiting line', async () => {
  const place = await relay();
  const asker = await place.client();
  for (let id = 0; id < limits.maxSessionsPerAsker + 2; id++) asker.send({ type: 'match', id, model: 'test-model', tokens: 5 });
  const refusals = [await asker.next('refused'), await asker.next('refused')];
  assert.deepEqual(
    refusals.map(({ code }) => code),
    ['rate_limited', 'rate_limited'],
  );
  assert.equal(place.coordinator.waiting, limits.maxSessionsPerAsker);
});

test('[PR15] a provider that was silent for too long takes part again with its next heartbeat', async () => {
  const place = await relay();
  const client = await provider(place);
  place.time.advance(limits.heartbeatMs * (limits.heartbeatMissesAllowed + 1));
  place.coordinator.tick();
  assert.equal(place.coordinator.providers, 0);
  client.send(heartbeat(client.shards));
  await answered(client);
  assert.deepEqual(
    place.coordinator.view().providers.map(({ peer, shards }) => [peer, shards.length]),
    [[client.identity.peer, 1]],
  );
});

test('[PR20] TURN passwords are made for each peer, and new ones come before they end', async () => {
  const place = await relay();
  const { url } = place;
  const who = await newIdentity();
  const client = new PresenceClient(url);
  const { nonce } = await client.next('challenge');
  client.send(await helloOf(who, nonce));
  const { iceServers } = await client.next('welcome');
  assert.equal(iceServers[0]!.username, `${place.time.clock()}:${who.peer}`);
  const other = await place.client();
  const stranger = new PresenceClient(url);
  await stranger.next('challenge');
  place.time.advance(1000);
  place.presence.renewIceServers();
  for (const [to, peer] of [
    [client, who.peer],
    [other, other.identity.peer],
  ] as const) {
    assert.equal((await to.next('ice')).iceServers[0]!.username, `${place.time.clock()}:${peer}`);
  }
  assert.deepEqual(stranger.received, [], 'who has not said hello gets none');
  assert.deepEqual([place.presence.has(who.peer), place.presence.has('nobody')], [true, false]);
});

test('[PR17] a heartbeat of somebody who offers nothing is ignored', async () => {
  const place = await relay();
  const client = await place.client();
  client.send(heartbeat([{ from: 0, to: 4 }]));
  await answered(client);
  assert.equal(place.coordinator.providers, 0);
  client.send({ type: 'offer', capability });
  client.send({ type: 'withdraw' });
  client.send(heartbeat([{ from: 0, to: 4 }]));
  await answered(client);
  assert.equal(place.coordinator.providers, 0);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
