/** Where WebRTC cannot be, answers go through the relay's circuit; and who hides the address without a TURN server goes there at once. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';
import { candidatesOf, listenForCandidates, pairsOf, policiesOf } from './candidates.ts';
import { answerIds, ReachNetwork } from './reach-network.ts';

/** Chromium's own policy for places where UDP must not leave: WebRTC finds no candidate. */
const noUdp = ['--force-webrtc-ip-handling-policy', '--webrtc-ip-handling-policy=disable_non_proxied_udp'];
/** vessel-tiny's activations of one token. */
const rowBytes = 192 * 4;

let chats: TinySample[];
before(async () => {
  chats = await tinyChats();
});

describe('tabs that cannot send UDP', { skip: skipWithoutBrowser }, () => {
  let network: ReachNetwork;
  let vessel: Vessel;

  before(async () => {
    network = await ReachNetwork.start({ split: [4, 4], chromium: noUdp });
    for (let i = 0; i < 2; i++) await network.addTab({ prepare: listenForCandidates });
    await network.ready();
    vessel = await connect({ relay: network.relay.url });
  });
  after(async () => {
    await vessel?.close();
    await network?.close();
  });

  test('the answer is exact, and comes through the relay', async () => {
    assert.deepEqual(await answerIds(vessel, chats[0]!), chats[0]!.allIds);
    for (const { page } of network.tabs) {
      assert.deepEqual(await candidatesOf(page), [], 'there is nothing to connect to');
      assert.deepEqual(await pairsOf(page), []);
    }
    assert.ok((await network.metric('vessel_circuit_bytes')) > chats[0]!.allIds.length * rowBytes);
  });

  test('[PR22] a pair that has only the circuit counts as unreachable, so that routes prefer others', async () => {
    await until('the relay has heard of it', () => !network.relay.coordinator.isLinked(network.model));
    assert.equal(network.relay.coordinator.isReady(network.model), true, 'but it is used when there is nothing else');
  });

  test('the second answer finds the way at once', async () => {
    const began = network.relay.presence.messages;
    assert.deepEqual(await answerIds(vessel, chats[1]!), chats[1]!.allIds);
    assert.ok(network.relay.presence.messages - began <= 1, 'one release');
  });
});

describe('tabs that hide their address, without a TURN server', { skip: skipWithoutBrowser }, () => {
  let network: ReachNetwork;

  before(async () => {
    network = await ReachNetwork.start({ split: [4, 4] });
    await network.addTab({ hideAddress: true, prepare: listenForCandidates });
    // As a visitor does it.
    await network.addTab({
      prepare: listenForCandidates,
      start: async (page) => {
        await page.getByText('How much to lend').click();
        await page.getByRole('radio', { name: 'Processor CPU' }).check();
        await page.getByLabel('Hide my IP address from others').check();
        await page.getByText('Others do not see your IP address.').waitFor();
        await page.getByRole('button', { name: 'Start contributing' }).click();
      },
    });
    await network.ready();
  });
  after(() => network?.close());

  test('they answer an asker that does not hide, and make no WebRTC connection at all', async () => {
    const vessel = await connect({ relay: network.relay.url });
    try {
      assert.deepEqual(await answerIds(vessel, chats[0]!), chats[0]!.allIds);
    } finally {
      await vessel.close();
    }
    for (const { page } of network.tabs) {
      assert.deepEqual(await policiesOf(page), []);
      assert.deepEqual(await candidatesOf(page), []);
    }
  });

  test('the choice outlives the visit', async () => {
    const { page } = network.tabs[1]!;
    await page.reload();
    await page.getByText('Others do not see your IP address.').waitFor();
    await page.getByText('How much to lend').click();
    assert.equal(await page.getByLabel('Hide my IP address from others').isChecked(), true);
  });
});
