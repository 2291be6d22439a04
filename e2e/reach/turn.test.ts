/** Pairs that cannot or will not connect directly talk over TURN, with passwords of limited time from the relay. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import { turnServer } from '../../relay/reach/turn-credentials.ts';
import { endWebRtc } from '../../sdk/net/end-webrtc.ts';
import { rtcConfiguration } from '../../sdk/net/rtc-configuration.ts';
import { connect } from '../../sdk/vessel.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { PageAsk } from '../harness/page-ask.ts';
import type { PageScope } from '../harness/page-scope.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';
import { candidatesOf, listenForCandidates, pairsOf, policiesOf } from './candidates.ts';
import { Coturn, skipWithoutCoturn } from './coturn.ts';
import { answerIds, ReachNetwork } from './reach-network.ts';

/** So short that the passwords of the tabs have ended, and been renewed, before anyone asks. */
const lifetimeMs = 15_000;

describe('two tabs that hide their address, with a TURN server', { skip: skipWithoutBrowser || skipWithoutCoturn }, () => {
  let coturn: Coturn;
  let network: ReachNetwork;
  let chats: TinySample[];
  let linkedAtMs = 0;

  before(async () => {
    chats = await tinyChats();
    coturn = await Coturn.start(lifetimeMs);
    network = await ReachNetwork.start({ split: [4, 4], relay: { turn: coturn.service } });
    for (let i = 0; i < 2; i++) await network.addTab({ hideAddress: true, prepare: listenForCandidates });
    await network.ready();
    await network.linked();
    linkedAtMs = Date.now();
  });
  after(async () => {
    await network?.close();
    await coturn?.close();
  });

  test('an asker that hides too gets the exact answer, and all of it passes coturn', async () => {
    const vessel = await connect({ relay: network.relay.url, hideAddress: true });
    try {
      assert.deepEqual(await answerIds(vessel, chats[0]!), chats[0]!.allIds);
    } finally {
      await vessel.close();
    }
    // Two tabs and the asker.
    assert.equal(coturn.allocations().size, 3, coturn.log);
    for (const { page } of network.tabs) {
      const pairs = await pairsOf(page);
      assert.ok(pairs.length > 0);
      for (const pair of pairs) assert.match(pair, /^relay\//);
    }
    assert.equal(await network.metric('vessel_circuits'), 0, 'nothing had to go through the relay');
  });

  test('[PR20] long after its first password has ended, a tab connects to someone new with one that the relay has sent', async () => {
    await until('the first passwords have ended', () => Date.now() > linkedAtMs + lifetimeMs + 1000);
    const askedAt = Date.now() / 1000;
    const vessel = await connect({ relay: network.relay.url, hideAddress: true });
    try {
      assert.deepEqual(await answerIds(vessel, chats[1]!), chats[1]!.allIds);
    } finally {
      await vessel.close();
    }
    const renewed = [...coturn.allocations().values()].filter((ends) => ends.size > 1 && Math.max(...ends) > askedAt);
    assert.ok(renewed.length >= 2, coturn.log);
    assert.doesNotMatch(coturn.log, /check_stun_auth: Cannot find credentials/);
  });

  test('no candidate of a tab that hides tells an address of this machine', async () => {
    for (const { page } of network.tabs) {
      const candidates = await candidatesOf(page);
      assert.ok(candidates.length > 0);
      for (const line of candidates) {
        assert.match(line, / typ relay /);
        assert.match(line, / raddr 0\.0\.0\.0 rport 0 /);
      }
      assert.deepEqual([...new Set(await policiesOf(page))], ['relay']);
    }
  });

  test('nor does any of a Node process that hides', async () => {
    const connection = new RTCPeerConnection(rtcConfiguration([turnServer(coturn.service, 'node', Date.now())], true));
    try {
      const gathered = new Promise<string>((resolve) => {
        connection.onicecandidate = ({ candidate }) => candidate?.candidate && resolve(candidate.candidate);
      });
      connection.createDataChannel('any');
      await connection.setLocalDescription(await connection.createOffer());
      assert.match(await gathered, / typ relay raddr 0\.0\.0\.0 rport 0$/);
      await until('there are no more', () => connection.iceGatheringState === 'complete');
      const lines = connection.localDescription!.sdp.split('\r\n').filter((line) => line.startsWith('a=candidate:'));
      assert.equal(lines.length, 1, lines.join('\n'));
    } finally {
      connection.close();
      await endWebRtc();
    }
  });

  test('a page that hides nothing asks them over TURN too, and shows its own candidates, as it said it would', async () => {
    const context = await network.browser.newContext();
    await listenForCandidates(context);
    const page = await context.newPage();
    await page.goto(network.relay.url);
    await until('the page is online', () =>
      page.evaluate(() => (globalThis as unknown as Partial<PageScope>).vessel?.state.getSnapshot().relay === 'online'),
    );
    const ask = await PageAsk.begin(page, chats[2]!.messages[0]!.content, 8);
    await until('the answer has come', async () => (await ask.state()).ended);
    const { text, error } = await ask.state();
    assert.equal(error, null);
    assert.ok(text.length > 0 && chats[2]!.text.startsWith(text.trimEnd()), text);
    assert.ok((await candidatesOf(page)).some((line) => / typ host /.test(line)));
    for (const pair of await pairsOf(page)) assert.match(pair, /\/(relay|prflx)$/);
    for (const tab of network.tabs) for (const pair of await pairsOf(tab.page)) assert.match(pair, /^relay\//);
  });
});
