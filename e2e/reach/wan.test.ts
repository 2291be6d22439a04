/** Tabs, an asker and a relay that are far from each other: the answer takes its time and is right. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { seededRandom, WanLink } from '../harness/wan-link.ts';
import { WanTcp } from '../harness/wan-tcp.ts';
import { WanUdp } from '../harness/wan-udp.ts';
import { shapeContext, shapeProcess } from '../harness/wan-webrtc.ts';
import { answerIds, ReachNetwork } from './reach-network.ts';

const roundTripMs = 100;
const tokens = 32;

describe('100 ms round trips, 1 % loss, 10 Mbit/s', { skip: skipWithoutBrowser }, () => {
  const link = new WanLink({ delayMs: roundTripMs / 2, jitterMs: 5, loss: 0.01, bytesPerSecond: 1.25e6 }, seededRandom(1));
  const udp = new WanUdp(link);
  let toRelay: WanTcp;
  let network: ReachNetwork;
  let vessel: Vessel;
  let sample: TinySample;
  let undo = () => {};

  before(async () => {
    const [first] = await tinyChats();
    sample = { ...first!, allIds: first!.allIds.slice(0, tokens) };
    undo = shapeProcess(udp);
    network = await ReachNetwork.start({ split: [3, 3, 2] });
    toRelay = await WanTcp.before(network.relay.port, link);
    const prepare = (context: Parameters<typeof shapeContext>[0]) => shapeContext(context, udp);
    await Promise.all([1, 2, 3].map(() => network.addTab({ url: toRelay.url, prepare })));
    await network.ready();
    await network.linked();
    vessel = await connect({ relay: toRelay.url });
  });
  after(async () => {
    await vessel?.close();
    await network?.close();
    toRelay?.close();
    udp.close();
    undo();
  });

  test('every token is right', async () => {
    const before = { passed: link.passed, dropped: link.dropped };
    const began = performance.now();
    assert.deepEqual(await answerIds(vessel, sample), sample.allIds);
    // Not a measure of speed: what was not delayed did not pass the line. Each token crosses two links between hops and one back.
    assert.ok(performance.now() - began > tokens * 3 * (roundTripMs / 2));
    assert.ok(link.passed - before.passed > tokens * 3);
    assert.ok(link.dropped > before.dropped, 'some packets were lost');
    assert.equal(await network.metric('vessel_circuits'), 0, 'all of it over WebRTC');
  });
});
