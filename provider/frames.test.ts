import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeFrame, type HiddenFrame, type TokenFrame } from '../shared/protocol/frame.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { OpenMessage } from '../shared/protocol/order-messages.ts';
import { peerName } from '../testing/fake-links.ts';
import {
  type HopUnderTest,
  hopUnderTest,
  opened,
  openMessage,
  prompt,
  promptFrame,
  say,
  tokenFrame,
} from '../testing/hop-under-test.ts';

const [before, after, stranger] = ['before', 'after', 'stranger'].map(peerName) as [string, string, string];

function floats(values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** Hop 1 after its prompt has gone down: waits for the first token. */
async function firstHop(): Promise<{ place: HopUnderTest; open: OpenMessage }> {
  const place = await hopUnderTest(0, 3);
  const open = await opened(place, openMessage(0, 3));
  await say(place, { type: 'start', session: open.session });
  assert.equal(place.wires.frames.length, 1);
  return { place, open };
}

async function middleHop(): Promise<{ place: HopUnderTest; open: OpenMessage }> {
  const place = await hopUnderTest(2, 4);
  return { place, open: await opened(place, openMessage(2, 4)) };
}

async function lastHop(): Promise<{ place: HopUnderTest; open: OpenMessage }> {
  const place = await hopUnderTest(3, 6);
  return { place, open: await opened(place, openMessage(3, 6)) };
}

const hiddenRefusals: [rule: string, why: string, change: Partial<HiddenFrame>, code: string][] = [
  ['FR6', 'of a session that is not open', { session: 'f'.repeat(32) }, 'unknown_session'],
  ['FR8', 'of another epoch', { epoch: 4 }, 'wrong_epoch'],
  ['FR9', 'that leaves positions out', { position: 1 }, 'wrong_position'],
  ['FR10', 'that continues another history', { prior: new Uint8Array(8).fill(1) }, 'wrong_history'],
  ['FR13', 'beyond the capacity', { count: 11, payload: floats(new Array(11 * 16).fill(1)) }, 'context_exceeded'],
  ['FR14', 'of another width', { width: 8, payload: floats(new Array(3 * 8).fill(1)) }, 'bad_message'],
  ['FR15', 'with NaN in it', { payload: floats(new Array(48).fill(Number.NaN)) }, 'bad_output'],
  ['FR15', 'with infinity in it', { payload: floats(new Array(48).fill(Number.POSITIVE_INFINITY)) }, 'bad_output'],
  ['FR15', 'of nothing but zeros', { payload: floats(new Array(48).fill(0)) }, 'bad_output'],
];
describe('[FR6] [FR8] [FR9] [FR10] [FR13] [FR14] [FR15] hidden frames that do not continue the session are refused', () => {
  for (const [rule, why, change, code] of hiddenRefusals) {
    test(`[${rule}] [FR16] a frame ${why} is refused with ${code}, and the right one is still taken`, async () => {
      const { place, open } = await middleHop();
      assert.deepEqual(place.hop.core.frame(before, promptFrame(open, change)), {
        session: change.session ?? open.session,
        code,
      });
      await place.wires.settle();
      assert.equal(place.hop.core.status().sessions, 1);
      assert.equal(place.hop.runtimes[0]!.steps, 0);
      assert.equal(place.hop.core.frame(before, promptFrame(open)), null);
      await place.wires.settle();
      assert.equal(place.wires.frames.length, 1);
    });
  }
});

test('[FR9] a frame that comes twice is refused the second time', async () => {
  const { place, open } = await middleHop();
  assert.equal(place.hop.core.frame(before, promptFrame(open)), null);
  assert.equal(place.hop.core.frame(before, promptFrame(open))?.code, 'wrong_position');
});

test('[FR7] [FR16] whoever is not the hop before learns and changes nothing, whatever the frame says', async () => {
  const { place, open } = await middleHop();
  for (const peer of [stranger, after, peerName('hop')]) {
    for (const change of [{}, { epoch: 9 }, { position: 5 }, { prior: new Uint8Array(8).fill(7) }]) {
      assert.equal(place.hop.core.frame(peer, promptFrame(open, change))?.code, 'wrong_peer');
    }
    assert.equal(place.hop.core.frame(peer, tokenFrame(open))?.code, 'wrong_peer');
  }
  assert.equal(place.hop.core.frame(before, promptFrame(open)), null);
});

test('[FR7] a token is taken by hop 1 alone, and from the last hop alone', async () => {
  const first = await firstHop();
  assert.equal(first.place.hop.core.frame(stranger, tokenFrame(first.open))?.code, 'wrong_peer');
  assert.equal(first.place.hop.core.frame(after, promptFrame(first.open))?.code, 'wrong_peer');
  assert.equal(first.place.hop.core.frame(after, tokenFrame(first.open)), null);
  const middle = await middleHop();
  assert.equal(middle.place.hop.core.frame(after, tokenFrame(middle.open))?.code, 'wrong_peer');
});

const tokenRefusals: [rule: string, why: string, change: Partial<TokenFrame>, code: string][] = [
  ['FR8', 'of an epoch to come', { epoch: 9 }, 'wrong_epoch'],
  ['FR9', 'for another position', { position: 4 }, 'wrong_position'],
  ['FR10', 'after another history', { prior: emptyHistory }, 'wrong_history'],
  ['FR10', 'whose hash does not follow from it', { after: new Uint8Array(8).fill(3) }, 'wrong_history'],
  ['FR14', 'beyond the vocabulary', { token: 64 }, 'bad_message'],
];
describe('[FR8] [FR9] [FR10] [FR14] tokens that do not continue the session are refused', () => {
  for (const [rule, why, change, code] of tokenRefusals) {
    test(`[${rule}] a token ${why} is refused with ${code}, and the right one is still taken`, async () => {
      const { place, open } = await firstHop();
      assert.deepEqual(place.hop.core.frame(after, tokenFrame(open, change)), { session: open.session, code });
      assert.equal(place.hop.core.frame(after, tokenFrame(open)), null);
      await place.wires.settle();
      assert.equal(place.wires.frames.length, 2);
    });
  }
});

test('[FR9] a token before the prompt has gone in is refused, started or not', async () => {
  const place = await hopUnderTest(0, 3);
  const open = await opened(place, openMessage(0, 3));
  const early = tokenFrame(open, { position: 0, prior: emptyHistory, after: extendHistory(emptyHistory, [7]) });
  assert.equal(place.hop.core.frame(after, early)?.code, 'wrong_position');
  await say(place, { type: 'start', session: open.session });
  assert.equal(place.hop.core.frame(after, tokenFrame(open)), null);
});

test('[FR12] the prompt ends where the asker said, once, and then rows come one by one', async () => {
  const short = extendHistory(emptyHistory, prompt.slice(0, 2));
  const { place, open } = await lastHop();
  const { core } = place.hop;
  assert.equal(core.frame(before, promptFrame(open, { endOfPrompt: false }))?.code, 'wrong_position');
  assert.equal(core.frame(before, promptFrame(open, { count: 2 }))?.code, 'wrong_position');
  assert.equal(core.frame(before, promptFrame(open, { count: 4, endOfPrompt: false }))?.code, 'wrong_position');
  assert.equal(core.frame(before, promptFrame(open, { count: 2, endOfPrompt: false, after: short })), null);
  const rest = { position: 2, prior: short, count: 1, after: extendHistory(emptyHistory, prompt) };
  assert.equal(core.frame(before, promptFrame(open, rest)), null);
  const middle = await middleHop();
  assert.equal(middle.place.hop.core.frame(before, promptFrame(middle.open)), null);
  const next = { position: 3, prior: extendHistory(emptyHistory, prompt), after: new Uint8Array(8) };
  const { core: middleCore } = middle.place.hop;
  assert.equal(middleCore.frame(before, promptFrame(middle.open, { ...next, count: 1 }))?.code, 'wrong_position');
  assert.equal(
    middleCore.frame(before, promptFrame(middle.open, { ...next, count: 2, endOfPrompt: false }))?.code,
    'wrong_position',
  );
});

test('[FR11] the last hop refuses rows that came from another prompt, or not from the token it drew', async () => {
  const { place, open } = await lastHop();
  const { core } = place.hop;
  assert.equal(core.frame(before, promptFrame(open, { after: extendHistory(emptyHistory, [5, 9, 3]) }))?.code, 'wrong_history');
  assert.equal(core.frame(before, promptFrame(open)), null);
  const early = { count: 1, position: 3, prior: extendHistory(emptyHistory, prompt), endOfPrompt: false };
  const guessed = promptFrame(open, { ...early, after: extendHistory(early.prior, [1]) });
  assert.equal(core.frame(before, guessed)?.code, 'wrong_history');
  await place.wires.settle();
  const drawn = decodeFrame(place.wires.frames.at(-1)!.bytes);
  assert.ok(drawn.kind === 'token');
  const other = extendHistory(early.prior, [(drawn.token + 1) % 64]);
  assert.equal(core.frame(before, promptFrame(open, { ...early, after: other }))?.code, 'wrong_history');
  assert.equal(core.frame(before, promptFrame(open, { ...early, after: drawn.after })), null);
});

test('[FR9] after the last token no frame is taken', async () => {
  const place = await hopUnderTest(3, 6);
  const message = openMessage(3, 6);
  const open = await opened(place, { ...message, last: { ...message.last!, maxTokens: 1 } });
  assert.equal(place.hop.core.frame(before, promptFrame(open)), null);
  await place.wires.settle();
  assert.equal(place.asker.story.at(-1), 'done');
  const prior = extendHistory(emptyHistory, prompt);
  const more = promptFrame(open, { position: 3, count: 1, prior, endOfPrompt: false });
  assert.equal(place.hop.core.frame(before, more)?.code, 'wrong_position');
});

test('[FR6] a frame for a session that was closed finds none', async () => {
  const { place, open } = await middleHop();
  await say(place, { type: 'close', session: open.session });
  assert.equal(place.hop.core.frame(before, promptFrame(open))?.code, 'unknown_session');
});

test('[FR3] [FR4] [PV3] frames that are none are refused and hurt no session', async () => {
  const { place, open } = await middleHop();
  const good = promptFrame(open);
  const broken: [Uint8Array, string][] = [
    [new Uint8Array(0), 'bad_message'],
    [good.slice(0, -1), 'bad_message'],
    [good.with(0, 2), 'version_mismatch'],
    [good.with(1, 9), 'bad_message'],
    [new Uint8Array(limits.maxFrameBytes + 1), 'frame_too_large'],
  ];
  for (const [bytes, code] of broken) assert.deepEqual(place.hop.core.frame(before, bytes), { session: '', code });
  assert.equal(place.hop.core.frame(before, good), null);
});

test('[FR8] a frame of an epoch that is over is ignored: it was under way when the route changed', async () => {
  const { place, open } = await firstHop();
  assert.equal(place.hop.core.frame(after, tokenFrame(open, { epoch: open.epoch - 1 })), null);
  await place.wires.settle();
  assert.equal(place.wires.frames.length, 1, 'nothing was computed for it');
  assert.equal(place.hop.core.frame(after, tokenFrame(open)), null);
});

test('[FR17] a refusal by the next hop is told the asker, with whose fault it is, and ends nothing', async () => {
  const { place, open } = await firstHop();
  place.hop.core.frameRefused(after, { session: open.session, code: 'bad_output' });
  place.hop.core.frameRefused(after, { session: open.session, code: 'unknown_session' });
  await place.wires.settle();
  const faults = place.asker.received.flatMap((message) => (message.type === 'fault' ? [[message.peer, message.code]] : []));
  assert.deepEqual(faults, [
    [place.hop.peer, 'bad_output'],
    [after, 'provider_lost'],
  ]);
  assert.equal(place.hop.core.status().sessions, 1);
  assert.equal(place.hop.runtimes.length, 1, 'another device says nothing about ours');
});

test('[FR17] only the hop we send to can refuse, and only a session that is there', async () => {
  const { place, open } = await firstHop();
  place.hop.core.frameRefused(stranger, { session: open.session, code: 'bad_message' });
  place.hop.core.frameRefused(before, { session: open.session, code: 'bad_message' });
  place.hop.core.frameRefused(after, { session: 'f'.repeat(32), code: 'bad_message' });
  assert.equal(place.hop.core.status().sessions, 1);
});

test('[OR22] a neighbour whose link breaks is told the askers that need it, and no others; their sessions wait', async () => {
  const { place, open } = await middleHop();
  place.hop.core.peerLost(stranger);
  place.hop.core.peerLost(before);
  await place.wires.settle();
  const faults = place.asker.received.flatMap((message) =>
    message.type === 'fault' ? [[message.session, message.peer, message.code]] : [],
  );
  assert.deepEqual(faults, [[open.session, before, 'provider_lost']]);
  assert.equal(place.hop.core.status().sessions, 1);
});

test('[FR19] rows leave as f32 whatever the arithmetic, and either kind is understood', async () => {
  const { place, open } = await middleHop();
  const halves = new Uint16Array(48).fill(0x3c00);
  const ones = promptFrame(open, { dtype: 'f16', payload: new Uint8Array(halves.buffer) });
  assert.equal(place.hop.core.frame(before, ones), null);
  await place.wires.settle();
  const sent = decodeFrame(place.wires.frames[0]!.bytes);
  assert.equal(sent.kind === 'hidden' && sent.dtype, 'f32');
  const other = await middleHop();
  const same = promptFrame(other.open, { payload: floats(new Array(48).fill(1)) });
  assert.equal(other.place.hop.core.frame(before, same), null);
  await other.place.wires.settle();
  const expected = decodeFrame(other.place.wires.frames[0]!.bytes);
  assert.deepEqual(sent.kind === 'hidden' && [...sent.payload], expected.kind === 'hidden' && [...expected.payload]);
});
