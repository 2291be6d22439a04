/** Money on the presence socket: terms, asks, shares, and what hops hand in. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { limits } from '../../shared/protocol/limits.ts';
import { type Ask, sharePrice } from '../../shared/receipts/price.ts';
import { address, networkTerms } from '../../testing/fake-chain.ts';
import { languageModel } from '../../testing/language-model.ts';
import { ManualTime } from '../../testing/manual-time.ts';
import { PresenceClient } from '../../testing/presence-client.ts';
import { Coordinator } from '../coordinator.ts';
import { ServedModels } from '../models/served-models.ts';
import { type EarnedMessage, PresenceServer } from './presence-server.ts';

const model = languageModel({ layers: 2 });
const terms = networkTerms();
const shares = [{ account: address(0xb1), basisPoints: 333 }];

async function paidRelay() {
  const time = new ManualTime();
  const models = new ServedModels({ list: async () => [{ id: model.id, manifest: model.manifest, bytes: 128 }] });
  await models.refresh();
  const coordinator = new Coordinator({
    models,
    clock: { now: time.clock, after: time.after },
    policy: () => ({ maxLayersPerProvider: 2 }),
    queueMs: 15_000,
    maxQueued: 10,
    terms: () => terms,
    sharesOf: async () => shares,
  });
  const earned: [EarnedMessage, string][] = [];
  const presence = new PresenceServer({
    coordinator,
    relayPeer: `12D3KooW${'r'.repeat(44)}`,
    relayAddresses: () => [],
    iceServers: () => [],
    now: time.clock,
    onEarned: (message, account) => earned.push([message, account]),
  });
  const server = createServer();
  server.on('upgrade', (request, socket, head) => presence.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/presence`;
  const close = () => {
    presence.close();
    coordinator.close();
    server.close();
    server.closeAllConnections();
  };
  return { time, url, earned, close };
}

type PaidRelay = Awaited<ReturnType<typeof paidRelay>>;

/** Holds the whole model and asks this. */
async function provider({ url, time }: PaidRelay, ask: Ask): Promise<PresenceClient & { peer: string }> {
  const client = await PresenceClient.welcomed(url);
  client.send({ type: 'offer', capability: { backend: 'wasm', adapter: 'test', f16: false, memoryBytes: 1e9 }, ask });
  client.send({
    type: 'heartbeat',
    state: 'sharing',
    shards: [{ model: model.id, from: 0, to: 2, phase: 'ready', progress: 1 }],
    sessions: 0,
    slots: 4,
    stepMs: null,
    links: [],
  });
  await settled(client);
  time.advance(60);
  return Object.assign(client, { peer: client.identity.peer });
}

/** What the client said before has been heard: this is answered after it. */
async function settled(client: PresenceClient): Promise<void> {
  client.send({ type: 'watch', on: true });
  await client.next('network');
  client.send({ type: 'watch', on: false });
}

test('[PY13] the welcome has the terms, the route each ask and the shares, and who asks more than the terms is not used', async () => {
  const relay = await paidRelay();
  try {
    const dear = await provider(relay, { prompt: terms.ask.prompt, output: terms.ask.output + 1n });
    const asker = new PresenceClient(relay.url);
    await asker.next('challenge');
    const welcomed = await PresenceClient.welcomed(relay.url);
    welcomed.send({ type: 'match', id: 1, model: model.id, tokens: 10 });
    await settled(welcomed);
    assert.ok(!welcomed.received.some(({ type }) => type === 'route'), 'the dear one is there, and is not matched');
    const fair = await provider(relay, terms.ask);
    const { hops, shares: named } = await welcomed.next('route');
    assert.deepEqual(
      hops.map(({ provider: peer, ask }) => [peer, ask]),
      [[fair.peer, terms.ask]],
    );
    assert.notEqual(fair.peer, dear.peer);
    assert.deepEqual(named, shares);
    assert.equal(sharePrice(10_000n, named![0]!.basisPoints), 333n);
  } finally {
    relay.close();
  }
});

test('[PY13] [PY12] terms arrive with amounts as numbers again, and what a hop hands in reaches the books with its account', async () => {
  const relay = await paidRelay();
  try {
    const client = new PresenceClient(relay.url);
    const { nonce } = await client.next('challenge');
    const { helloOf, newIdentity } = await import('../../testing/presence-client.ts');
    const identity = await newIdentity();
    client.send(await helloOf(identity, nonce));
    const welcome = await client.next('welcome');
    assert.deepEqual(welcome.terms, terms);
    const word = `0x${'ab'.repeat(32)}` as const;
    const message: EarnedMessage = {
      type: 'earned',
      session: 'ab'.repeat(16),
      payment: {
        kind: 'voucher',
        voucher: { payer: address(1), total: (1n << 96n) - 1n, payments: [{ payee: address(2), cumulative: 5n }] },
        signature: `0x${'cd'.repeat(65)}`,
      },
      receipt: {
        receipt: {
          session: word,
          model: word,
          account: address(2),
          fromLayer: 0,
          toLayer: 2,
          batch: 0,
          epoch: 0,
          promptPositions: limits.prefillChunk,
          outputPositions: 0,
          amount: 5n,
          commitment: word,
        },
        key: 'AAAA',
        signature: `0x${'ef'.repeat(64)}`,
      },
    };
    client.send(message);
    await settled(client);
    assert.deepEqual(relay.earned, [[message, welcome.account]]);
  } finally {
    relay.close();
  }
});
