import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAskIds } from '../sdk/ask-ids.ts';
import { OrderPool } from '../sdk/order-pool.ts';
import type { AskEvent, AskIds } from '../shared/protocol/asking.ts';
import { decodeFrame } from '../shared/protocol/frame.ts';
import { limits } from '../shared/protocol/limits.ts';
import { FakeAskPorts, FakeWires, type RoutePart } from '../testing/fake-links.ts';
import { languageModel, sampling, wholeAnswer } from '../testing/language-model.ts';

const model = languageModel({ layers: 6, context: 2048 });

/** A network whose providers hold these cuts, and an asker that uses all of them. */
async function network(cuts: number[], seed = 1) {
  const wires = new FakeWires(seed);
  const parts: RoutePart[] = cuts.slice(1).map((to, index) => {
    const provider = wires.addProvider(`hop-${index}`, [model]);
    provider.core.assign([{ model: model.id, from: cuts[index]!, to }]);
    return { provider, from: cuts[index]!, to };
  });
  await wires.settle();
  const ports = new FakeAskPorts(wires, 'asker', () => parts);
  const askIds = createAskIds(ports, new OrderPool(ports));
  const ask = (request: Partial<AskIds>) => collect(askIds({ ...base, ...request }));
  return { wires, parts, ports, ask, askIds };
}

const base: AskIds = { model: model.id, promptIds: [5, 9, 2], maxTokens: 12, sampling: sampling(), stopIds: [] };

async function collect(events: AsyncIterable<AskEvent>) {
  const tokens: number[] = [];
  const all: AskEvent[] = [];
  for await (const event of events) {
    all.push(event);
    if (event.type === 'token') tokens.push(event.id);
  }
  return { tokens, all, last: all.at(-1)! };
}

const splits = [
  [0, 6],
  [0, 3, 6],
  [0, 1, 4, 6],
  [0, 1, 2, 3, 4, 5, 6],
];

for (const cuts of splits) {
  test(`[OR11] ${cuts.length - 1} hops answer as the whole model does, greedy and drawn`, async () => {
    const { wires, parts, ask } = await network(cuts, cuts.length);
    for (const settings of [sampling(), sampling({ temperature: 1, seed: 99, topLogprobs: 2, repetitionPenalty: 1.2 })]) {
      const request = { ...base, sampling: settings };
      const { tokens, last } = await wires.until(ask(request));
      assert.deepEqual(tokens, await wholeAnswer(model, request));
      assert.equal(last.type === 'done' && last.reason, 'length');
    }
    await wires.settle();
    for (const { provider } of parts) {
      assert.equal(provider.openCaches, 0);
      assert.equal(provider.core.status().sessions, 0);
    }
    assert.equal(wires.time.waiting, 0);
  });
}

test('[OR11] many sessions interleave on the same hops and each gets its own answer', async () => {
  const { wires, parts, ask } = await network([0, 2, 5, 6], 7);
  const requests = Array.from({ length: 20 }, (_, i) => ({
    ...base,
    promptIds: Array.from({ length: 1 + i * 4 }, (_, at) => (at * 7 + i) % 64),
    maxTokens: 1 + (i % 9),
    sampling: sampling({ temperature: i % 2, seed: i }),
  }));
  const answers = await wires.until(Promise.all(requests.map((request) => ask(request))));
  for (const [index, { tokens }] of answers.entries()) assert.deepEqual(tokens, await wholeAnswer(model, requests[index]!));
  await wires.settle();
  assert.ok(parts.every(({ provider }) => provider.openCaches === 0));
});

test('[FR18] [OR12] a long prompt goes in chunks in order, the last one says so, and hop 1 reports each', async () => {
  const { wires, parts, ask } = await network([0, 3, 6]);
  const promptIds = Array.from({ length: 2 * limits.prefillChunk + 5 }, (_, at) => (at * 11) % 64);
  const { tokens } = await wires.until(ask({ promptIds, maxTokens: 2 }));
  assert.deepEqual(tokens, await wholeAnswer(model, { ...base, promptIds, maxTokens: 2 }));
  const down = wires.frames.filter(({ from }) => from === parts[0]!.provider.peer).map(({ bytes }) => decodeFrame(bytes));
  const shape = down.map((frame) => (frame.kind === 'hidden' ? [frame.position, frame.count, frame.endOfPrompt] : []));
  assert.deepEqual(shape, [
    [0, 64, false],
    [64, 64, false],
    [128, 5, true],
    [133, 1, false],
  ]);
});

test('[OR11] a stop id ends the answer and is not part of it', async () => {
  const { wires, ask } = await network([0, 3, 6]);
  const whole = await wholeAnswer(model, base);
  const stopAt = whole.findIndex((id, at) => at > 2 && whole.indexOf(id) === at);
  const { tokens, last } = await wires.until(ask({ stopIds: [whole[stopAt]!] }));
  assert.deepEqual(tokens, whole.slice(0, stopAt));
  assert.equal(last.type === 'done' && last.reason, 'stop');
});

test('[OR13] the hops count what they sent for generated tokens, the prompt left out', async () => {
  const { wires, ask } = await network([0, 2, 4, 6]);
  const { last } = await wires.until(ask({ maxTokens: 5 }));
  const bytes = new Set(
    wires.frames
      .map(({ bytes }) => ({ frame: decodeFrame(bytes), length: bytes.byteLength }))
      .filter(({ frame }) => frame.kind === 'hidden' && frame.count === 1)
      .map(({ length }) => length),
  );
  assert.equal(bytes.size, 1);
  assert.equal(last.type === 'done' && last.stats.bytesPerTokenPerHop, [...bytes][0]);
});

test('[OR20] an asker that leaves early, at any token, frees the KV on every hop', async () => {
  const { wires, parts, ports, askIds } = await network([0, 2, 6]);
  const idle = parts.map(({ provider }) => provider.core.status().memoryUsed);
  for (const leaveAt of [0, 1, 4]) {
    const leaving = async () => {
      for await (const event of askIds({ ...base, maxTokens: 200 })) {
        if (event.type === (leaveAt === 0 ? 'route' : 'token') && (event.type !== 'token' || event.index === leaveAt)) break;
      }
    };
    await wires.until(leaving());
    await wires.settle();
    assert.deepEqual(
      parts.map(({ provider }) => provider.openCaches),
      [0, 0],
    );
    assert.deepEqual(
      parts.map(({ provider }) => provider.core.status().memoryUsed),
      idle,
    );
  }
  assert.equal(ports.open.size, 0);
  assert.equal(wires.time.waiting, 0);
});

test('[OR20] an abort ends the ask with `cancelled` at any moment and frees every hop', async () => {
  const { wires, parts, ask } = await network([0, 2, 6]);
  for (const afterRounds of [0, 1, 3, 8, 20]) {
    const abort = new AbortController();
    let left = afterRounds;
    const asked = ask({ maxTokens: 300, signal: abort.signal });
    wires.post('abort', function later() {
      if (left-- === 0) abort.abort();
      else wires.post('abort', later);
    });
    await assert.rejects(wires.until(asked), { code: 'cancelled' });
    await wires.wait(limits.leaseWaitMs);
    assert.deepEqual(
      parts.map(({ provider }) => provider.openCaches),
      [0, 0],
    );
    assert.deepEqual(
      parts.map(({ provider }) => provider.core.status().sessions),
      [0, 0],
    );
  }
  assert.equal(wires.time.waiting, 0);
});

test('[OR22] a hop that dies in the middle ends the answer with `provider_lost`, and the others free it', async () => {
  const { wires, parts, ask, ports } = await network([0, 2, 4, 6]);
  const asked = ask({ maxTokens: 300 });
  wires.post('death', function later() {
    if (wires.frames.length > 12) wires.kill(parts[1]!.provider.peer);
    else wires.post('death', later);
  });
  await assert.rejects(wires.until(asked), { code: 'provider_lost' });
  await wires.settle();
  assert.deepEqual(
    parts.map(({ provider }) => provider.openCaches),
    [0, 0, 0],
  );
  assert.equal(ports.open.size, 0);
});
