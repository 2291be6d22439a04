import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { OpenMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import { ManualAsker, peerName } from '../testing/fake-links.ts';
import {
  type HopUnderTest,
  hopUnderTest,
  leaseFor,
  opened,
  openMessage,
  prompt,
  promptFrame,
  say,
} from '../testing/hop-under-test.ts';
import { sampling } from '../testing/language-model.ts';

const whole = (rest: Partial<OpenMessage> = {}) => openMessage(0, 6, rest);

/** What the hop answers to this `open` when its lease is there. */
async function answerTo(place: HopUnderTest, open: OpenMessage): Promise<string | undefined> {
  await opened(place, open);
  return place.asker.story.at(-1);
}

function assertFree({ hop }: HopUnderTest): void {
  assert.equal(hop.core.status().sessions, 0);
  assert.equal(hop.openCaches, 0);
  assert.equal(hop.core.status().slots, limits.maxSessionsPerProvider);
}

test('[OR2] an open is answered with `opened`, takes its memory, and close gives it back', async () => {
  const place = await hopUnderTest(0, 6);
  const idle = place.hop.core.status().memoryUsed;
  const open = whole();
  assert.equal(await answerTo(place, open), 'opened');
  assert.equal(place.hop.openCaches, 1);
  assert.ok(place.hop.core.status().memoryUsed > idle);
  await say(place, { type: 'close', session: open.session });
  assert.deepEqual(place.asker.received.at(-1), {
    type: 'closed',
    session: open.session,
    decodeBytes: 0,
    decodeFrames: 0,
    computeMs: 0,
  });
  assertFree(place);
  assert.equal(place.hop.core.status().memoryUsed, idle);
});

const refusedOpens: [rule: string, why: string, open: OpenMessage, code: string][] = [
  ['PV2', 'of another version', whole({ version: protocolVersion + 1 }), 'version_mismatch'],
  ['OR3', 'that puts this hop elsewhere', whole({ route: [peerName('after')] }), 'wrong_peer'],
  ['OR4', 'of hop 1 without a prompt', withoutFirst(), 'bad_message'],
  ['OR4', 'of the last hop without sampling', withoutLast(), 'bad_message'],
  ['OR5', 'whose prompt and answer exceed its capacity', whole({ capacity: 7 }), 'context_exceeded'],
  ['OR5', 'beyond the context of the model', whole({ capacity: 257 }), 'context_exceeded'],
  ['OR6', 'with a prompt id beyond the vocabulary', whole({ first: { promptIds: [64] } }), 'bad_request'],
  ['OR6', 'with a bias beyond the vocabulary', whole({ last: lastWith({ logitBias: [[64, 1]] }) }), 'bad_request'],
  ['OR7', 'for layers this provider does not hold', openMessage(0, 6, { to: 5 }), 'provider_lost'],
];
describe('[PV2] [OR3] [OR4] [OR5] [OR6] [OR7] opens that cannot be are refused', () => {
  for (const [rule, why, open, code] of refusedOpens) {
    test(`[${rule}] an open ${why} is refused with ${code}`, async () => {
      const place = await hopUnderTest(0, 6);
      assert.equal(await answerTo(place, open), code);
      assertFree(place);
    });
  }
});

function withoutFirst(): OpenMessage {
  const { first: _, ...rest } = whole();
  return rest;
}

function withoutLast(): OpenMessage {
  const { last: _, ...rest } = whole();
  return rest;
}

function lastWith(settings: Parameters<typeof sampling>[0]) {
  return { promptIds: prompt, maxTokens: 5, stopIds: [], sampling: sampling(settings) };
}

test('[OR8] a session id that is open already is refused, and the open one goes on', async () => {
  const place = await hopUnderTest(0, 6);
  const open = await opened(place, whole());
  assert.equal(await answerTo(place, open), 'bad_message');
  await say(place, { type: 'start', session: open.session });
  assert.equal(place.asker.story.at(-1), 'done');
});

test('[OR1] what is no message ends the stream and its sessions, and no other stream', async () => {
  const wrong = ['', '{', '[]', '{"type":"shutdown"}', JSON.stringify({ ...whole(), extra: 1 })];
  wrong.push(JSON.stringify({ ...whole(), capacity: 0 }), JSON.stringify({ type: 'start', session: 'x' }));
  for (const text of wrong) {
    const place = await hopUnderTest(0, 6);
    const bystander = await opened(place, whole());
    const bad = new ManualAsker(place.wires, 'bad', place.hop);
    const own = whole();
    place.hop.core.lease(leaseFor(own, 'bad'));
    bad.send(own);
    await place.wires.settle();
    assert.equal(place.hop.core.status().sessions, 2);
    bad.order.sendText(text);
    await place.wires.settle();
    assert.ok(bad.isClosed, text);
    assert.equal(place.hop.core.status().sessions, 1);
    await say(place, { type: 'start', session: bystander.session });
    assert.equal(place.asker.story.at(-1), 'done');
  }
});

test('[OR9] only hop 1 is started, and once', async () => {
  const first = await hopUnderTest(0, 3);
  const open = await opened(first, openMessage(0, 3));
  await say(first, { type: 'start', session: open.session }, { type: 'start', session: open.session });
  assert.ok(first.asker.story.includes('bad_message'));
  const last = await hopUnderTest(3, 6);
  const other = await opened(last, openMessage(3, 6));
  await say(last, { type: 'start', session: other.session });
  assert.equal(last.asker.story.at(-1), 'bad_message');
});

test('[OR10] start, close and service-run from another stream find no session', async () => {
  const place = await hopUnderTest(0, 6);
  const { session } = await opened(place, whole());
  const thief = new ManualAsker(place.wires, 'asker', place.hop);
  thief.send({ type: 'start', session });
  thief.send({ type: 'close', session });
  thief.send({ type: 'service-run', session, run: 0, order: {}, bytes: 0 });
  await place.wires.settle();
  assert.deepEqual(thief.story, ['unknown_session', 'unknown_session', 'unknown_session']);
  assert.equal(place.hop.core.status().sessions, 1);
});

test('[OR14] a close that overtakes the opening ends it with `cancelled`', async () => {
  const place = await hopUnderTest(0, 6);
  const open = whole();
  await say(place, open, { type: 'close', session: open.session });
  assert.deepEqual(place.asker.story, []);
  place.hop.core.lease(leaseFor(open));
  await place.wires.settle();
  assert.deepEqual(place.asker.story, ['cancelled']);
  assertFree(place);
});

test('[OR15] a stream that closes frees its sessions, those being opened included', async () => {
  const place = await hopUnderTest(0, 6);
  await opened(place, whole());
  const late = whole();
  await say(place, late);
  place.asker.order.close();
  await place.wires.settle();
  place.hop.core.lease(leaseFor(late));
  await place.wires.settle();
  assertFree(place);
});

test('[OR16] one asker gets its share of sessions, however many it opens at once', async () => {
  const place = await hopUnderTest(0, 6);
  const opens = Array.from({ length: limits.maxSessionsPerAsker + 3 }, () => whole());
  await say(place, ...opens);
  for (const open of opens) place.hop.core.lease(leaseFor(open));
  await place.wires.settle();
  const count = (code: string) => place.asker.story.filter((word) => word === code).length;
  assert.equal(count('opened'), limits.maxSessionsPerAsker);
  assert.equal(count('provider_busy'), 3);
  const other = new ManualAsker(place.wires, 'other', place.hop);
  const open = whole();
  place.hop.core.lease(leaseFor(open, 'other'));
  other.send(open);
  await place.wires.settle();
  assert.deepEqual(other.story, ['opened']);
});

test('[OR16] beyond the sessions of a provider, an open is refused with provider_busy', async () => {
  const place = await hopUnderTest(0, 6);
  const stories: string[][] = [];
  for (let asker = 0; asker < 3; asker++) {
    const many = new ManualAsker(place.wires, `many${asker}`, place.hop);
    for (let i = 0; i < 30; i++) {
      const open = whole();
      place.hop.core.lease(leaseFor(open, `many${asker}`));
      many.send(open);
    }
    await place.wires.settle();
    stories.push(many.story);
  }
  assert.equal(stories.flat().filter((word) => word === 'opened').length, limits.maxSessionsPerProvider);
  assert.equal(stories.flat().filter((word) => word === 'provider_busy').length, 90 - limits.maxSessionsPerProvider);
  assert.equal(place.hop.core.status().slots, 0);
});

test('[OR16] the pledged memory is never exceeded, not even by opens that arrive together', async () => {
  const place = await hopUnderTest(0, 6);
  const perSession = place.hop.runtimes[0]!.cacheBytes(10);
  const weights = place.hop.core.status().memoryUsed;
  const small = await hopUnderTest(0, 6, { memoryBytes: weights + 3.5 * perSession });
  const opens = Array.from({ length: 6 }, () => whole());
  await say(small, ...opens);
  for (const open of opens) small.hop.core.lease(leaseFor(open));
  await small.wires.settle();
  assert.equal(small.hop.openCaches, 3);
  assert.equal(small.asker.story.filter((word) => word === 'provider_busy').length, 3);
});

test('[OR16] opens that wait for a link together do not pass the limits together', async () => {
  const place = await hopUnderTest(0, 3);
  const weights = place.hop.core.status().memoryUsed;
  const small = await hopUnderTest(0, 3, { memoryBytes: weights + 1.5 * place.hop.runtimes[0]!.cacheBytes(10) });
  for (let i = 0; i < 4; i++) {
    const open = openMessage(0, 3);
    small.hop.core.lease(leaseFor(open));
    small.asker.send(open);
  }
  await small.wires.settle();
  assert.equal(small.hop.openCaches, 1);
});

test('[OR22] an open whose next hop cannot be reached opens, and says whose fault it is that nothing can be sent', async () => {
  const place = await hopUnderTest(0, 3);
  place.wires.kill(peerName('after'));
  await opened(place, openMessage(0, 3));
  assert.deepEqual(place.asker.story, ['opened', 'fault']);
  const fault = place.asker.received.at(-1);
  assert.ok(fault?.type === 'fault' && fault.peer === peerName('after') && fault.code === 'provider_lost');
});

test('[OR23] a paused provider offers no slots and finishes what it has', async () => {
  const place = await hopUnderTest(0, 6);
  const open = await opened(place, whole());
  place.hop.core.paused = true;
  assert.equal(place.hop.core.status().slots, 0);
  await say(place, { type: 'start', session: open.session });
  assert.equal(place.asker.story.at(-1), 'done');
});

const misfits: [why: string, asker: string, change: Partial<OpenMessage>][] = [
  ['another asker', 'other', {}],
  ['another model', 'asker', { model: `b${'c'.repeat(58)}` }],
  ['other layers', 'asker', { from: 1 }],
  ['less capacity', 'asker', { capacity: 9 }],
];
for (const [why, asker, change] of misfits) {
  test(`[LE1] a lease for ${why} does not open the session, and stays for whom it is meant`, async () => {
    const place = await hopUnderTest(0, 6);
    const open = whole();
    place.hop.core.lease({ ...leaseFor({ ...open, ...change }, asker) });
    await say(place, open);
    assert.deepEqual(place.asker.story, ['no_lease']);
    assertFree(place);
    if (asker !== 'other') return;
    const right = new ManualAsker(place.wires, 'other', place.hop);
    right.send(open);
    await place.wires.settle();
    assert.deepEqual(right.story, ['opened']);
  });
}

test('[LE2] a lease opens one session, once', async () => {
  const place = await hopUnderTest(0, 6);
  const open = await opened(place, whole());
  await say(place, { type: 'close', session: open.session }, open);
  await place.wires.wait(limits.leaseWaitMs);
  assert.deepEqual(place.asker.story, ['opened', 'closed', 'no_lease']);
});

test('[LE3] an open that overtakes its lease waits for it, and not for ever', async () => {
  const place = await hopUnderTest(0, 6);
  const early = whole();
  await say(place, early);
  await place.wires.wait(limits.leaseWaitMs - 500);
  place.hop.core.lease(leaseFor(early));
  await place.wires.settle();
  assert.deepEqual(place.asker.story, ['opened']);
  await say(place, whole());
  await place.wires.wait(limits.leaseWaitMs);
  assert.deepEqual(place.asker.story, ['opened', 'no_lease']);
  await say(place, { type: 'close', session: early.session });
  assert.equal(place.wires.time.waiting, 0);
});

test('[LE4] a lease that nobody uses is forgotten', async () => {
  const place = await hopUnderTest(0, 6);
  const open = whole();
  place.hop.core.lease(leaseFor(open));
  await place.wires.wait(limits.openDeadlineMs + 250);
  await say(place, open);
  await place.wires.wait(limits.leaseWaitMs);
  assert.deepEqual(place.asker.story, ['no_lease']);
});

test('[LE5] a session that nobody touches is freed with lease_expired; one that works is not', async () => {
  const place = await hopUnderTest(3, 6);
  const silent = await opened(place, openMessage(3, 6));
  const working = await opened(place, openMessage(3, 6));
  await place.wires.wait(limits.sessionLeaseMs - 1000);
  assert.equal(place.hop.core.frame(peerName('before'), promptFrame(working)), null);
  await place.wires.wait(2000);
  const refusal = place.asker.received.at(-1)!;
  assert.deepEqual([refusal.type, refusal.session], ['refused', silent.session]);
  assert.equal(place.asker.story.at(-1), 'lease_expired');
  assert.equal(place.hop.openCaches, 1);
  await place.wires.wait(limits.sessionLeaseMs + 1000);
  assertFree(place);
});

test('[LE6] a release by the relay frees the session, the lease, and an opening that is under way', async () => {
  const place = await hopUnderTest(0, 6);
  const open = await opened(place, whole());
  place.hop.core.release(open.session);
  const leased = whole();
  place.hop.core.lease(leaseFor(leased));
  place.hop.core.release(leased.session);
  const early = whole();
  await say(place, leased, early);
  place.hop.core.release(early.session);
  place.hop.core.lease(leaseFor(early));
  await place.wires.wait(limits.leaseWaitMs);
  assert.deepEqual(place.asker.story, ['opened', 'cancelled', 'no_lease']);
  assertFree(place);
});

test('[LE3] strangers who wait for leases that never come do not keep others out', async () => {
  const place = await hopUnderTest(0, 6);
  for (let i = 0; i < 200; i++) place.asker.send(whole());
  await place.wires.settle();
  const honest = new ManualAsker(place.wires, 'honest', place.hop);
  const open = whole();
  honest.send(open);
  await place.wires.settle();
  place.hop.core.lease(leaseFor(open, 'honest'));
  await place.wires.settle();
  assert.deepEqual(honest.story, ['opened']);
});

for (const code of ['bad_output', 'device_lost', 'out_of_memory'] as const) {
  test(`[OR24] a step that throws ${code} ends its own session with that code`, async () => {
    let isBroken = false;
    const onStep = () => {
      if (isBroken) throw new VesselError(code);
    };
    const place = await hopUnderTest(0, 6, { runtime: { onStep } });
    const open = await opened(place, whole());
    isBroken = true;
    await say(place, { type: 'start', session: open.session });
    assert.equal(place.asker.story.at(-1), code);
    isBroken = false;
    assert.equal(place.hop.openCaches, 0);
    const again = await opened(place, whole());
    await say(place, { type: 'start', session: again.session });
    assert.equal(place.asker.story.at(-1), 'done');
    assert.equal(place.hop.runtimes.length, code === 'device_lost' ? 2 : 1);
  });
}

test('[OR24] a lost device ends every session on its shard and is loaded again', async () => {
  let isLost = false;
  const onStep = () => {
    if (isLost) throw new VesselError('device_lost');
  };
  const place = await hopUnderTest(0, 6, { runtime: { onStep } });
  const [unlucky, bystander] = [await opened(place, whole()), await opened(place, whole())];
  isLost = true;
  await say(place, { type: 'start', session: unlucky.session });
  isLost = false;
  const refused = place.asker.received.flatMap((message) =>
    message.type === 'refused' ? [[message.session, message.code]] : [],
  );
  assert.deepEqual(refused, [
    [unlucky.session, 'device_lost'],
    [bystander.session, 'provider_lost'],
  ]);
  assert.equal(place.hop.runtimes.length, 2);
  assert.equal(place.hop.core.status().shards[0]?.phase, 'ready');
  assertFree(place);
});

test('[OR22] a provider that stops tells its askers and frees everything', async () => {
  const place = await hopUnderTest(0, 6);
  await opened(place, whole());
  const early = whole();
  await say(place, early);
  const stopping = place.hop.core.stop();
  await place.wires.until(stopping);
  place.hop.core.lease(leaseFor(early));
  await place.wires.wait(limits.leaseWaitMs);
  assert.deepEqual(place.asker.story, ['opened', 'provider_lost', 'provider_lost']);
  assertFree(place);
  assert.deepEqual(place.hop.core.status().shards, []);
  assert.equal(place.wires.time.waiting, 0);
});
