/** Peers that break the protocol in a real network, while an honest ask runs beside them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import { encodeFrame } from '../../shared/protocol/frame.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { samplingSchema } from '../../shared/protocol/sampling.ts';
import { frameProtocol, orderProtocol, protocolVersion } from '../../shared/protocol/version.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { helloOf, newIdentity, PresenceClient } from '../../testing/presence-client.ts';
import { RoguePeer, type RogueStream } from '../harness/rogue-peer.ts';
import { tabAnswer } from '../harness/tab-answer.ts';
import { TabNetwork } from '../harness/tab-network.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';

const greedy = samplingSchema.parse({ temperature: 0, seed: 1 });
const session = 'ab'.repeat(16);
const noHistory = new Uint8Array(8);

describe('three tabs, one of them in bad company', { skip: skipWithoutBrowser }, () => {
  let network: TabNetwork;
  let vessel: Vessel;
  let chats: TinySample[];
  let rogue: RoguePeer;
  let providers: string[];

  before(async () => {
    chats = await tinyChats();
    // Slow enough that what is done during an answer is done during the answer.
    network = await TabNetwork.start({ split: [3, 3, 2] });
    await network.addTabs(3, { dutyCycle: 0.2 });
    await network.ready();
    vessel = await connect({ relay: network.url });
    providers = network.relay.coordinator.view().providers.map(({ peer }) => peer);
    rogue = await RoguePeer.join(network.url, await relayPeer(network.url));
  });
  after(async () => {
    await rogue?.leave();
    await vessel?.close();
    await network?.close();
  });

  /** Runs an honest ask beside `mischief` and holds its ids against the reference. */
  async function besideAnAsk(mischief: () => Promise<void>): Promise<void> {
    const { promptIds, allIds } = chats[0]!;
    const ids: number[] = [];
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const ask = (async () => {
      const events = vessel.askIds({ model: 'vessel-tiny', promptIds, maxTokens: 64, stopIds: [], sampling: greedy });
      for await (const event of events) {
        if (event.type !== 'token') continue;
        ids.push(event.id);
        begun();
      }
    })();
    await Promise.race([hasBegun, ask]);
    await mischief();
    await ask;
    assert.deepEqual(ids, allIds);
    await network.idle();
  }

  const openMessage = (route: string[], over: object = {}) => ({
    type: 'open',
    version: protocolVersion,
    session,
    epoch: 0,
    model: network.model,
    from: 0,
    to: 3,
    index: 0,
    route,
    capacity: 8,
    first: { promptIds: [1, 2, 3] },
    ...over,
  });

  async function assertRefused(stream: RogueStream, code: string): Promise<void> {
    await until(`the refusal ${code} comes`, () => stream.heard.length > 0 || stream.isEnded);
    assert.equal(stream.heard.shift()?.code, code);
  }

  test('[ST3] [ST4] records of a wrong kind or length end their stream, and nothing else', async () => {
    await besideAnAsk(async () => {
      for (const provider of providers) {
        const garbage = await rogue.open(provider, orderProtocol);
        await garbage.raw(new Uint8Array(4096).fill(0xff));
        await until('the order stream ends', () => garbage.isEnded);
        const oversized = await rogue.open(provider, frameProtocol);
        const head = new Uint8Array(5);
        new DataView(head.buffer).setUint32(0, limits.maxFrameBytes + 1, true);
        head[4] = 2;
        await oversized.raw(head);
        await until('the frame stream ends', () => oversized.isEnded);
        const text = await rogue.open(provider, frameProtocol);
        await text.record('text', { type: 'start', session });
        await until('the frame stream that spoke text ends', () => text.isEnded);
      }
    });
  });

  test('[FR3] [FR6] [PV3] frames that are broken, of another version or of no session are refused with their code', async () => {
    await besideAnAsk(async () => {
      const stream = await rogue.open(providers[0]!, frameProtocol);
      const head = { session, epoch: 0, position: 0, prior: noHistory, after: noHistory } as const;
      const hidden = encodeFrame({
        ...head,
        kind: 'hidden',
        dtype: 'f32',
        count: 1,
        width: 192,
        endOfPrompt: false,
        payload: new Uint8Array(192 * 4).fill(1),
      });
      await stream.record('frame', hidden);
      await assertRefused(stream, 'unknown_session');
      await stream.record('frame', hidden.subarray(0, 60));
      await assertRefused(stream, 'bad_message');
      const otherVersion = hidden.slice();
      otherVersion[0] = protocolVersion + 1;
      await stream.record('frame', otherVersion);
      await assertRefused(stream, 'version_mismatch');
      await stream.record('frame', encodeFrame({ ...head, kind: 'token', token: 5 }));
      await assertRefused(stream, 'unknown_session');
    });
  });

  test('[FR7] a stranger who knows the session of an ask cannot put a frame into it', async () => {
    const { promptIds, allIds } = chats[0]!;
    const ids: number[] = [];
    let stranger: Promise<void> | null = null;
    for await (const event of vessel.askIds({ model: 'vessel-tiny', promptIds, maxTokens: 64, stopIds: [], sampling: greedy })) {
      if (event.type === 'route') {
        const { hops, session: running } = event;
        stranger = (async () => {
          const head = { session: running, epoch: 0, position: promptIds.length, prior: noHistory, after: noHistory } as const;
          for (const { provider } of hops) {
            const stream = await rogue.open(provider, frameProtocol);
            await stream.record('frame', encodeFrame({ ...head, kind: 'token', token: 5 }));
            await until('the stranger is refused', () => stream.heard.length > 0);
            // Where dialling took longer than the answer, the session is gone.
            assert.ok(['wrong_peer', 'unknown_session'].includes(stream.heard[0]!.code!), stream.heard[0]!.code);
          }
        })();
      }
      if (event.type === 'token') ids.push(event.id);
    }
    await stranger;
    assert.deepEqual(ids, allIds);
  });

  test('[LE1] [OR10] orders without a lease, for no session, or in no language are refused', async () => {
    await besideAnAsk(async () => {
      const stream = await rogue.open(providers[0]!, orderProtocol);
      await stream.record('text', { type: 'start', session });
      await assertRefused(stream, 'unknown_session');
      await stream.record('text', openMessage([...providers]));
      await assertRefused(stream, 'no_lease');
      await stream.record('text', openMessage([...providers], { version: protocolVersion + 1 }));
      await assertRefused(stream, 'version_mismatch');
      await stream.record('text', { type: 'open', capacity: -1 });
      await until(
        'an order that follows no schema ends its stream or is refused',
        () => stream.isEnded || stream.heard.length > 0,
      );
      const code = stream.heard[0]?.code;
      assert.ok(stream.isEnded || code === 'bad_message', code);
    });
  });

  test('[PR4] [PR5] [PR6] [PR7] garbage on presence ends its own connection alone', async () => {
    const address = `${network.url.replace('http', 'ws')}/presence`;
    await besideAnAsk(async () => {
      const closed = async (socket: WebSocket) => {
        const [code] = await new Promise<[number]>((resolve) => socket.on('close', (...args) => resolve([args[0]])));
        return code;
      };
      for (const [what, code] of [
        ['not json', 1008],
        ['{"type":"heartbeat"}', 1008],
        ['x'.repeat(65 * 1024), 1009],
      ] as const) {
        const socket = new WebSocket(address);
        socket.on('error', () => undefined);
        await new Promise((resolve) => socket.once('message', resolve));
        socket.send(what);
        assert.equal(await closed(socket), code, what.slice(0, 30));
      }
      const flooder = await PresenceClient.welcomed(address);
      for (let i = 0; i < 300; i++) flooder.send({ type: 'watch', on: false });
      assert.equal((await flooder.ended()).reason, 'rate_limited');
    });
    assert.equal(network.relay.coordinator.providers, 3);
  });

  test('[OR22] a tab is closed in the middle of an answer: the asker is told provider_lost, and the next ask works once another tab is there', async () => {
    const { promptIds } = chats[0]!;
    let lost: unknown = null;
    let gone: Promise<void> | null = null;
    try {
      for await (const event of vessel.askIds({
        model: 'vessel-tiny',
        promptIds,
        maxTokens: 400,
        stopIds: [],
        sampling: greedy,
      })) {
        if (event.type !== 'token' || event.index !== 3) continue;
        gone = network.tabs[1]!.close();
      }
    } catch (thrown) {
      lost = thrown;
    }
    await gone;
    assert.equal((lost as { code?: string } | null)?.code, 'provider_lost', String(lost));
    await network.addTab();
    await network.ready();
    const { text, expected } = await tabAnswer(network.url);
    assert.equal(text, expected);
    await network.idle();
  });
});

async function relayPeer(url: string): Promise<string> {
  const client = new PresenceClient(`${url.replace('http', 'ws')}/presence`);
  const { nonce } = await client.next('challenge');
  client.send(await helloOf(await newIdentity(), nonce));
  const welcome = await client.next('welcome');
  client.socket.close();
  return welcome.relayPeer;
}
