/** Once an ask is matched the relay has nothing to do with it: it hears nothing, carries nothing, and may go. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import type { AskEvent } from '../../shared/protocol/asking.ts';
import { samplingSchema } from '../../shared/protocol/sampling.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { NodeNetwork } from '../harness/node-network.ts';
import { PageAsk } from '../harness/page-ask.ts';
import { TabNetwork } from '../harness/tab-network.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';

const greedy = samplingSchema.parse({ temperature: 0, seed: 1 });
/** What may pass the relay while nobody tells it anything. */
const idleTalk = new Set(['heartbeat', 'network', 'link']);
/** vessel-tiny's activations of one token, without their header. */
const rowBytes = 192 * 4;

let chats: TinySample[];
before(async () => {
  chats = await tinyChats();
});

function askIds(vessel: Vessel, { promptIds, allIds }: TinySample, maxTokens = allIds.length): AsyncIterable<AskEvent> {
  return vessel.askIds({ model: 'vessel-tiny', promptIds, maxTokens, stopIds: [], sampling: greedy });
}

describe('Chromium tabs as providers', { skip: skipWithoutBrowser }, () => {
  let network: TabNetwork;
  let vessel: Vessel;

  before(async () => {
    network = await TabNetwork.start({ split: [3, 3, 2] });
    // Slow enough that the middle of an answer can be met.
    await network.addTabs(3, { dutyCycle: 0.2 });
    await network.ready();
    vessel = await connect({ relay: network.url });
  });
  after(async () => {
    await vessel?.close();
    await network?.close();
  });

  test('[PR10] between the route and the end no message passes presence, and no activation passes the relay’s libp2p', async () => {
    // The first ask makes the links; they stay.
    for await (const event of askIds(vessel, chats[1]!, 2)) assert.ok(event);
    await until('tabs that look for each other have found each other', async () => {
      const { libp2p } = network.proxy.bytes;
      await setTimeout(1000);
      return network.proxy.bytes.libp2p === libp2p;
    });
    const ids: number[] = [];
    let before = { presence: 0, libp2p: 0, session: 0 };
    const look = () => ({
      presence: network.proxy.presence.length,
      libp2p: network.proxy.bytes.libp2p,
      session: network.relay.presence.messages,
    });
    for await (const event of askIds(vessel, chats[0]!)) {
      if (event.type === 'route') before = look();
      if (event.type === 'token') ids.push(event.id);
      if (event.type !== 'done') continue;
      const now = look();
      const heard = network.proxy.presence.slice(before.presence, now.presence).filter((type) => !idleTalk.has(type));
      assert.deepEqual(heard, [], 'presence hears nothing of the session');
      assert.equal(now.session, before.session);
      // 64 tokens over two links between tabs are 128 rows; what the relay carried meanwhile is a handful of keep-alives.
      assert.ok(now.libp2p - before.libp2p < 16 * rowBytes, `${now.libp2p - before.libp2p} bytes`);
      assert.equal(event.stats?.relayMessagesPerToken, 0);
      assert.ok(event.stats!.bytesPerTokenPerHop >= rowBytes);
    }
    assert.deepEqual(ids, chats[0]!.allIds);
    await until('every tab shows what it got from the tab before', async () => {
      const tabs = await Promise.all(network.tabs.map((tab) => tab.contribution()));
      return tabs.every(({ bytesIn }) => bytesIn > 64 * 4);
    });
  });

  test('the relay goes for good in the middle of two asks, one from Node and one from a page: both end with the exact ids', async () => {
    const asker = await network.openPage();
    const page = await PageAsk.begin(asker.page, chats[0]!.messages[0]!.content, 64);
    await until('the page’s answer has begun', () => page.hasBegun());
    const ids: number[] = [];
    const node = (async () => {
      for await (const event of askIds(vessel, chats[0]!)) if (event.type === 'token') ids.push(event.id);
    })();
    await until('the answer in Node has begun', () => ids.length > 0);
    network.proxy.cut();
    const sofar = { node: ids.length, page: (await page.state()).pieces };
    assert.ok(sofar.node < 64 && sofar.page < 64, `cut in the middle: ${JSON.stringify(sofar)}`);
    await network.relay.close();
    await assert.rejects(fetch(`${network.relay.url}/health`));
    await node;
    assert.deepEqual(ids, chats[0]!.allIds);
    await until('the page’s ask has ended', async () => (await page.state()).ended);
    const { text, error } = await page.state();
    assert.equal(error, null);
    assert.equal(text, chats[0]!.text);
  });

  test('what asks next is told that the relay is gone', async () => {
    await assert.rejects(
      async () => {
        for await (const event of askIds(vessel, chats[0]!, 1)) assert.ok(event);
      },
      { code: 'relay_lost' },
    );
  });
});

describe('Node processes as providers', () => {
  let network: NodeNetwork;
  before(async () => {
    network = await NodeNetwork.start(3);
  });
  after(() => network?.close());

  test('no frame link runs over the relay, and the ask outlives it', async () => {
    const vessel = await connect({ relay: network.url });
    try {
      const ids: number[] = [];
      for await (const event of askIds(vessel, chats[0]!)) {
        if (event.type === 'token') ids.push(event.id);
        if (event.type !== 'token' || ids.length !== 2) continue;
        for (const provider of network.providers) assert.equal(provider.relayedLinks(), 0);
        network.proxy.cut();
        await network.relay.close();
      }
      assert.deepEqual(ids, chats[0]!.allIds);
      for (const provider of network.providers) assert.equal(provider.relayedLinks(), 0);
    } finally {
      await vessel.close();
    }
  });
});
