import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AskEvent, AskIds } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { type AskerMessage, askerMessageSchema, type HopMessage } from '../shared/protocol/order-messages.ts';
import { peerName } from '../testing/fake-links.ts';
import { sampling } from '../testing/language-model.ts';
import { ManualTime } from '../testing/manual-time.ts';
import { createAskIds } from './ask-ids.ts';
import type { AskPorts } from './ask-ports.ts';
import type { OrderHandlers } from './net/order-link.ts';
import { OrderPool } from './order-pool.ts';

const session = 'ab'.repeat(16);
const model = `b${'a'.repeat(58)}`;
const [one, two, stranger] = ['one', 'two', 'stranger'].map(peerName) as [string, string, string];
const request: AskIds = { model, promptIds: [1, 2], maxTokens: 3, sampling: sampling(), stopIds: [9], recoverMs: 0 };

/** An asker before two hops that the test plays. */
function asked(change: Partial<AskIds> = {}) {
  const time = new ManualTime();
  const sent: [string, AskerMessage][] = [];
  const released: string[] = [];
  const handlers = new Map<string, OrderHandlers>();
  const ports: AskPorts = {
    clock: { now: time.clock, after: time.after },
    match: async ({ again }) => {
      if (again) throw new VesselError('no_route', 'Nobody else is here.');
      const hops = [one, two].map((provider, at) => {
        const account = `0x${'0'.repeat(40)}`;
        return { provider, account, from: 2 * at, to: 2 * at + 2, backend: 'wasm' as const, adapter: 'test' };
      });
      return { session, model, hops };
    },
    release: (id) => released.push(id),
    openOrder: async (peer, given) => {
      handlers.set(peer, given);
      return {
        isOpen: true,
        send: async (message) => void sent.push([peer, askerMessageSchema.parse(JSON.parse(JSON.stringify(message)))]),
        close: () => undefined,
      };
    },
    relayMessages: () => 0,
  };
  const pool = new OrderPool(ports);
  const events: AskEvent[] = [];
  const ended = (async () => {
    for await (const event of createAskIds(ports, pool)({ ...request, ...change })) events.push(event);
  })();
  const outcome = ended.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
  const answer = (peer: string, message: HopMessage) => handlers.get(peer)!.onMessage(JSON.stringify(message));
  const place = { time, sent, released, handlers, events, outcome, answer, pool };
  return place;
}

type Place = ReturnType<typeof asked>;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function started(place: Place): Promise<Place> {
  await turn();
  for (const peer of [one, two]) place.answer(peer, { type: 'opened', session, epoch: 0 });
  await turn();
  return place;
}

function token(index: number): HopMessage {
  return { type: 'token', session, index, id: 40 + index, logprob: null, top: [] };
}

/** Each hop was closed exactly once, the relay was told, and no timer is left. */
function assertClosed({ sent, released, time }: Place): void {
  const closes = sent.filter(([, { type }]) => type === 'close').map(([peer]) => peer);
  assert.deepEqual(closes.sort(), [one, two].sort());
  assert.deepEqual(released, [session]);
  assert.equal(time.waiting, 0);
}

test('[OR2] every hop is opened with its own layers; the prompt goes to the first and the last alone', async () => {
  const place = asked();
  await turn();
  const opens = place.sent.map(([peer, message]) => {
    assert.ok(message.type === 'open');
    return [peer, message.index, message.from, message.to, message.capacity, message.first?.promptIds, message.last?.promptIds];
  });
  assert.deepEqual(opens, [
    [one, 0, 0, 2, 5, [1, 2], undefined],
    [two, 1, 2, 4, 5, undefined, [1, 2]],
  ]);
});

test('[OR9] hop 1 is started when every hop has opened, not before', async () => {
  const place = asked();
  await turn();
  place.answer(two, { type: 'opened', session, epoch: 0 });
  await turn();
  assert.equal(place.sent.length, 2);
  place.answer(one, { type: 'opened', session, epoch: 0 });
  await turn();
  assert.deepEqual(place.sent[2], [one, { type: 'start', session }]);
});

test('[OR13] at the end every hop is closed and its counts are added up', async () => {
  const place = await started(asked());
  for (let index = 0; index < 3; index++) place.answer(two, token(index));
  place.answer(two, { type: 'done', session, reason: 'length' });
  await turn();
  place.answer(one, { type: 'closed', session, decodeBytes: 300, decodeFrames: 3, computeMs: 1 });
  place.answer(two, { type: 'closed', session, decodeBytes: 0, decodeFrames: 0, computeMs: 1 });
  assert.equal(await place.outcome, 'done');
  assert.deepEqual(place.events.at(-1), {
    type: 'done',
    reason: 'length',
    stats: { bytesPerTokenPerHop: 100, relayMessagesPerToken: 0, failovers: 0, recoveries: [] },
  });
  assertClosed(place);
});

test('[OR13] an answer that is complete does not wait long for a hop that does not count', async () => {
  const place = await started(asked());
  place.answer(two, { type: 'done', session, reason: 'stop' });
  await turn();
  place.time.advance(1000);
  assert.equal(await place.outcome, 'done');
  assertClosed(place);
});

test('[OR21] progress that comes after the last token leaves no timer behind', async () => {
  const place = await started(asked());
  place.answer(two, { type: 'done', session, reason: 'stop' });
  await turn();
  place.answer(one, { type: 'progress', session, position: 2 });
  for (const peer of [one, two]) place.answer(peer, { type: 'closed', session, decodeBytes: 0, decodeFrames: 0, computeMs: 0 });
  assert.equal(await place.outcome, 'done');
  assertClosed(place);
});

test('[OR19] a token out of order, or one too many, ends the ask with bad_message', async () => {
  for (const indices of [[1], [0, 0], [0, 2], [0, 1, 2, 3]]) {
    const place = await started(asked());
    for (const index of indices) place.answer(two, token(index));
    assert.equal(await place.outcome, 'bad_message');
    assertClosed(place);
  }
});

test('[OR19] tokens come from the last hop alone, and messages of peers outside the route count for nothing', async () => {
  const place = await started(asked());
  place.answer(one, token(0));
  place.answer(one, { type: 'done', session, reason: 'stop' });
  await place.pool.order(stranger);
  place.answer(stranger, token(0));
  place.answer(stranger, { type: 'refused', session, code: 'bad_output', message: 'x' });
  place.handlers.get(stranger)!.onClose(null);
  await turn();
  assert.deepEqual(
    place.events.map(({ type }) => type),
    ['route'],
  );
  place.answer(two, token(0));
  await turn();
  assert.deepEqual(
    place.events.map(({ type }) => type),
    ['route', 'token'],
  );
});

test('[OR2] one hop that refuses ends the ask with its code and closes the others', async () => {
  const place = asked();
  await turn();
  place.answer(one, { type: 'opened', session, epoch: 0 });
  place.answer(two, { type: 'refused', session, code: 'provider_busy', message: 'full' });
  assert.equal(await place.outcome, 'provider_busy');
  assertClosed(place);
});

test('[OR21] hops that do not open in time end the ask with `deadline`', async () => {
  const place = asked();
  await turn();
  place.answer(one, { type: 'opened', session, epoch: 0 });
  place.time.advance(limits.openDeadlineMs);
  assert.equal(await place.outcome, 'deadline');
  assertClosed(place);
});

test('[OR21] a hop that says nothing for too long ends the ask with provider_lost, when there is no other', async () => {
  const place = await started(asked());
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 50) {
      place.time.advance(50);
      await turn();
    }
  };
  const alive = (peer: string) => place.answer(peer, { type: 'alive' });
  for (let beat = 0; beat < 20; beat++) {
    for (const peer of [one, two]) alive(peer);
    await pass(250);
  }
  assert.equal(place.events.length, 1, 'while every hop is heard the ask goes on');
  for (let beat = 0; beat < 7; beat++) {
    alive(one);
    await pass(250);
  }
  assert.equal(await place.outcome, 'provider_lost');
  assertClosed(place);
});

test('[OR22] a hop whose stream closes ends the ask with provider_lost, after the tokens that came', async () => {
  const place = await started(asked());
  place.answer(two, token(0));
  place.handlers.get(one)!.onClose(null);
  assert.equal(await place.outcome, 'provider_lost');
  assert.deepEqual(
    place.events.map(({ type }) => type),
    ['route', 'token'],
  );
  assertClosed(place);
});

test('[OR20] an abort before the match asks nobody; an abort later closes every hop', async () => {
  assert.equal(await asked({ signal: AbortSignal.abort() }).outcome, 'cancelled');
  const abort = new AbortController();
  const place = await started(asked({ signal: abort.signal }));
  abort.abort();
  assert.equal(await place.outcome, 'cancelled');
  assertClosed(place);
});

test('[OR5] a prompt without tokens, or longer than any context, asks nobody', async () => {
  const empty = asked({ promptIds: [] });
  assert.equal(await empty.outcome, 'bad_request');
  const long = asked({ maxTokens: limits.maxContext });
  assert.equal(await long.outcome, 'context_exceeded');
  assert.deepEqual([...empty.sent, ...long.sent], []);
});
