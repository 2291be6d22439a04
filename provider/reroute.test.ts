/** What a hop does when the route around it changes (SPEC FO rules), its neighbours played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '../shared/protocol/bytes.ts';
import { decodeFrame } from '../shared/protocol/frame.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { HopMessage } from '../shared/protocol/order-messages.ts';
import { peerName } from '../testing/fake-links.ts';
import {
  type HopUnderTest,
  hopUnderTest,
  leaseFor,
  opened,
  openMessage,
  prompt,
  promptFrame,
  say,
  tokenFrame,
} from '../testing/hop-under-test.ts';

const before = peerName('before');
const after = peerName('after');
const noHistory = bytesToHex(emptyHistory);

/** Position, count and epoch of every frame that left, since `from`. */
function sent({ wires }: HopUnderTest, from = 0): [number, number, number][] {
  return wires.frames.slice(from).map(({ bytes }) => {
    const frame = decodeFrame(bytes);
    return [frame.position, frame.kind === 'hidden' ? frame.count : 1, frame.epoch];
  });
}

function last<Type extends HopMessage['type']>({ asker }: HopUnderTest, type: Type) {
  return asker.received.findLast((message) => message.type === type) as Extract<HopMessage, { type: Type }> | undefined;
}

test('[FO5] a hop with sessions says that it is alive, several times a second, and stops with the last one', async () => {
  const place = await hopUnderTest(0, 6);
  const beats: string[] = [];
  const order = place.wires.openOrder(peerName('asker'), place.hop.peer, {
    onMessage: (text) => beats.push((JSON.parse(text) as HopMessage).type),
    onClose: () => undefined,
  });
  const open = openMessage(0, 6);
  place.hop.core.lease(leaseFor(open));
  await order.send(open);
  await place.wires.wait(10 * limits.aliveMs);
  assert.ok(beats.filter((type) => type === 'alive').length >= 9);
  await order.send({ type: 'close', session: open.session });
  await place.wires.settle();
  assert.equal(place.wires.time.waiting, 0);
});

test('[FO6] after `reroute` nothing is sent before `resume`, which says from where on', async () => {
  const place = await hopUnderTest(2, 4);
  const open = await opened(place, openMessage(2, 4));
  const reroute = { type: 'reroute', session: open.session, epoch: 4, index: 1, route: open.route } as const;
  await say(place, reroute);
  assert.deepEqual([last(place, 'rerouted')?.epoch, last(place, 'rerouted')?.position], [4, 0]);
  assert.equal(place.hop.core.frame(before, promptFrame(open, { epoch: 4 })), null);
  await place.wires.settle();
  assert.deepEqual(sent(place), [], 'it computes and waits');
  await say(place, {
    type: 'resume',
    session: open.session,
    epoch: 4,
    from: 1,
    prior: bytesToHex(extendHistory(emptyHistory, [prompt[0]!])),
  });
  assert.deepEqual(sent(place), [[1, 2, 4]], 'the next hop has position 0 already');
  await say(place, { type: 'where', session: open.session });
  assert.deepEqual([last(place, 'here')?.position, last(place, 'here')?.computed], [3, 3]);
});

test('[FO6] a reroute or resume of another epoch, or to a place that is not this hop’s, is refused', async () => {
  const place = await hopUnderTest(2, 4);
  const open = await opened(place, openMessage(2, 4));
  const { session, route } = open;
  const refused = async (message: Parameters<typeof say>[1]) => {
    await say(place, message);
    return last(place, 'refused')?.code;
  };
  assert.equal(await refused({ type: 'reroute', session, epoch: 3, index: 1, route }), 'wrong_epoch');
  assert.equal(await refused({ type: 'resume', session, epoch: 9, from: 0, prior: noHistory }), 'wrong_epoch');
  assert.equal(await refused({ type: 'reroute', session, epoch: 4, index: 0, route }), 'wrong_peer');
  assert.equal(await refused({ type: 'reroute', session, epoch: 4, index: 1, route: [before, after] }), 'wrong_peer');
  assert.equal(place.hop.core.status().sessions, 1);
});

test('[FO6] `truncate` makes a hop forget what the asker does not know', async () => {
  const place = await hopUnderTest(0, 3);
  const open = await opened(place, openMessage(0, 3));
  await say(place, { type: 'start', session: open.session });
  assert.equal(place.hop.core.frame(after, tokenFrame(open)), null);
  await place.wires.settle();
  const history = bytesToHex(extendHistory(emptyHistory, prompt));
  const route = [place.hop.peer, peerName('stranger')];
  await say(place, { type: 'reroute', session: open.session, epoch: 4, index: 0, route, truncate: { position: 3, history } });
  assert.equal(last(place, 'rerouted')?.position, 3);
  await say(place, { type: 'resume', session: open.session, epoch: 4, from: 0, prior: noHistory });
  assert.deepEqual(sent(place, 2), [[0, 3, 4]]);
  const other = tokenFrame(open, { epoch: 4, token: 8 });
  assert.equal(place.hop.core.frame(peerName('stranger'), other), null, 'another token may follow now');
});

test('[FO7] a hop takes over only under a lease that says so', async () => {
  const place = await hopUnderTest(2, 4);
  const open = openMessage(2, 4, { again: { known: 4, paidFrom: 4 } });
  place.hop.core.lease(leaseFor({ ...open, again: undefined }));
  await say(place, open);
  assert.equal(last(place, 'refused')?.code, 'no_lease');
  const told = openMessage(0, 3, { first: { promptIds: prompt, generated: [7] } });
  const first = await hopUnderTest(0, 3);
  await opened(first, told);
  assert.equal(last(first, 'refused')?.code, 'bad_message', 'who takes over nothing is told no tokens');
});

test('[FO7] a hop 1 that takes over rebuilds all that is known, and a token that comes meanwhile follows it', async () => {
  const place = await hopUnderTest(0, 3);
  const open = await opened(
    place,
    openMessage(0, 3, { again: { known: 4, paidFrom: 0 }, first: { promptIds: prompt, generated: [7] } }),
  );
  const prior = extendHistory(emptyHistory, [...prompt, 7]);
  assert.equal(place.hop.core.frame(after, tokenFrame(open, { position: 4, prior, token: 8 })), null);
  await say(place, {
    type: 'resume',
    session: open.session,
    epoch: 3,
    from: 3,
    prior: bytesToHex(extendHistory(emptyHistory, prompt)),
  });
  assert.deepEqual(sent(place), [[3, 2, 3]]);
});

test('[FO7] a last hop that takes over draws nothing before it has rebuilt what is known, and then the next token', async () => {
  const whole = await hopUnderTest(3, 6);
  const straight = await opened(whole, openMessage(3, 6));
  whole.hop.core.frame(before, promptFrame(straight));
  await whole.wires.settle();
  const first = last(whole, 'token')!;
  const prior = extendHistory(emptyHistory, prompt);
  const row = { position: 3, count: 1, prior, after: extendHistory(prior, [first.id]), endOfPrompt: false };
  whole.hop.core.frame(before, promptFrame(straight, row));
  await whole.wires.settle();
  const second = last(whole, 'token')!;
  assert.deepEqual([first.index, second.index], [0, 1]);

  const place = await hopUnderTest(3, 6);
  const message = openMessage(3, 6, { again: { known: 4, paidFrom: 4 } });
  const open = await opened(place, { ...message, last: { ...message.last!, generated: [first.id] } });
  assert.equal(place.hop.core.frame(before, promptFrame(open)), null);
  await place.wires.settle();
  assert.equal(last(place, 'token'), undefined);
  assert.equal(
    place.hop.core.frame(before, promptFrame(open, { ...row, after: extendHistory(prior, [first.id + 1]) }))?.code,
    'wrong_history',
  );
  assert.equal(place.hop.core.frame(before, promptFrame(open, row)), null);
  await place.wires.settle();
  assert.deepEqual(last(place, 'token'), { ...second, session: open.session });
  await say(place, { type: 'resume', session: open.session, epoch: 3, from: 3, prior: bytesToHex(prior) });
  assert.deepEqual(
    sent(place),
    [
      [3, 1, 3],
      [4, 1, 3],
    ],
    'hop 1 gets the tokens it lacks',
  );
});
