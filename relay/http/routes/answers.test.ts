import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { byteIds } from '../../../testing/byte-codec.ts';
import { type HttpRelayOptions, httpRelay } from '../../../testing/http-relay.ts';
import { chatChunkSchema, chatCompletionSchema } from './chat-format.ts';
import { completionChunkSchema, completionSchema } from './completion-format.ts';

const chat = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const plain = { model: 'bytes', prompt: 'hi' };
const chatPath = '/v1/chat/completions';
const plainPath = '/v1/completions';

async function ask(path: string, body: object, options: HttpRelayOptions = {}) {
  const relay = await httpRelay(options);
  const response = await relay.post(path, body);
  return { ...relay, response, body: await response.json() };
}

async function stream(path: string, body: object, options: HttpRelayOptions = {}) {
  const relay = await httpRelay(options);
  const response = await relay.post(path, { ...body, stream: true });
  const lines = (await response.text()).split('\n\n').filter((line) => line !== '');
  const end = lines.pop();
  return { ...relay, response, end, chunks: lines.map((line) => JSON.parse(line.replace(/^data: /, ''))) };
}

/** A promise and the means to settle it. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

test('a chat answer has the shape of OpenAI, with usage', async () => {
  const { body } = await ask(chatPath, chat, { answer: 'Hello 🙂' });
  assert.deepEqual(chatCompletionSchema.parse(body), body);
  assert.deepEqual(body.choices, [
    { index: 0, message: { role: 'assistant', content: 'Hello 🙂', refusal: null }, logprobs: null, finish_reason: 'stop' },
  ]);
  assert.equal(body.usage.completion_tokens, 10);
  assert.equal(body.usage.total_tokens, body.usage.prompt_tokens + 10);
  assert.match(body.id, /^chatcmpl-/);
});

test('an answer cut at max_tokens says length', async () => {
  const { body } = await ask(chatPath, { ...chat, max_tokens: 4 }, { answer: 'Hello' });
  assert.equal(body.choices[0].message.content, 'Hell');
  assert.equal(body.choices[0].finish_reason, 'length');
});

test('a chat stream opens with the role, ends with the reason, and its text is the answer', async () => {
  const { response, chunks, end } = await stream(chatPath, chat, { answer: 'né🙂' });
  assert.match(response.headers.get('content-type')!, /^text\/event-stream/);
  assert.equal(end, 'data: [DONE]');
  for (const chunk of chunks) assert.deepEqual(chatChunkSchema.parse(chunk), chunk);
  const deltas = chunks.map(({ choices }) => choices[0].delta);
  assert.deepEqual(deltas, [{ role: 'assistant', content: '' }, { content: 'n' }, { content: 'é' }, { content: '🙂' }, {}]);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.ok(!chunks.some((chunk) => 'usage' in chunk));
  assert.deepEqual(chunks.at(-1).vessel, { seed: 42 });
});

test('with include_usage the last chunk has the usage and no choices, the others say null', async () => {
  const { chunks } = await stream(chatPath, { ...chat, stream_options: { include_usage: true } }, { answer: 'abc' });
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.equal(last.usage.completion_tokens, 3);
  assert.ok(chunks.every(({ usage }) => usage === null));
});

test('n answers carry their index, streamed side by side or whole', async () => {
  const options: HttpRelayOptions = { answer: ({ sampling }) => byteIds(['one', 'two', 'three'][sampling.choice]!) };
  const { body } = await ask(chatPath, { ...chat, n: 3 }, options);
  assert.deepEqual(
    body.choices.map(({ index, message }: { index: number; message: { content: string } }) => [index, message.content]),
    [
      [0, 'one'],
      [1, 'two'],
      [2, 'three'],
    ],
  );
  const { chunks } = await stream(chatPath, { ...chat, n: 3 }, options);
  const texts = ['', '', ''];
  const order = chunks.map(({ choices: [choice] }) => {
    texts[choice.index] += choice.delta.content ?? '';
    return choice.index;
  });
  assert.deepEqual(texts, ['one', 'two', 'three']);
  assert.ok(order.lastIndexOf(0) > order.indexOf(2), 'interleaved');
});

test('several prompts with n answers each are numbered prompt by prompt', async () => {
  const answer: HttpRelayOptions['answer'] = ({ promptIds, sampling }) => [...promptIds, ...byteIds(String(sampling.choice))];
  const prompt = ['a', 'b'].map(byteIds);
  const { body } = await ask(plainPath, { model: 'bytes', prompt, n: 2 }, { answer });
  assert.deepEqual(
    body.choices.map(({ text }: { text: string }) => text),
    ['a0', 'a1', 'b0', 'b1'],
  );
  assert.equal(body.usage.prompt_tokens, 2);
  assert.equal(body.usage.completion_tokens, 8);
});

test('completions have their own shape, whole and streamed', async () => {
  const { body } = await ask(plainPath, plain, { answer: 'abc' });
  assert.deepEqual(completionSchema.parse(body), body);
  assert.deepEqual(body.choices, [{ index: 0, text: 'abc', logprobs: null, finish_reason: 'stop' }]);
  const { chunks } = await stream(plainPath, plain, { answer: 'abc' });
  for (const chunk of chunks) assert.deepEqual(completionChunkSchema.parse(chunk), chunk);
  assert.equal(chunks.map(({ choices }) => choices[0].text).join(''), 'abc');
});

test('a stop string over several tokens ends the answer, is not shown, and frees the session', async () => {
  for (const run of [ask, stream]) {
    const { asker } = await run(chatPath, { ...chat, stop: ['STOP', 'never'] }, { answer: 'one STOP two' });
    assert.deepEqual([asker.open, asker.cancelled], [0, 1]);
  }
  const { body } = await ask(chatPath, { ...chat, stop: 'STOP' }, { answer: 'one STOP two' });
  assert.equal(body.choices[0].message.content, 'one ');
  assert.equal(body.choices[0].finish_reason, 'stop');
  const { chunks } = await stream(chatPath, { ...chat, stop: 'STOP' }, { answer: 'one STOP two' });
  assert.equal(chunks.map(({ choices }) => choices[0].delta.content ?? '').join(''), 'one ');
});

test('a stop string ends its own choice only', async () => {
  const answer: HttpRelayOptions['answer'] = ({ sampling }) => byteIds(sampling.choice === 0 ? 'aXb' : 'abc');
  const { body } = await ask(chatPath, { ...chat, n: 2, stop: 'X' }, { answer });
  assert.deepEqual(
    body.choices.map(({ message }: { message: { content: string } }) => message.content),
    ['a', 'abc'],
  );
});

test('chat logprobs come per token with bytes and alternatives, whole as streamed', async () => {
  const params = { ...chat, logprobs: true, top_logprobs: 2 };
  const { body } = await ask(chatPath, params, { answer: 'aé' });
  const { content } = body.choices[0].logprobs;
  assert.deepEqual(content[0], {
    token: 'a',
    logprob: -0.25,
    bytes: [97],
    top_logprobs: [
      { token: 'a', logprob: -0.25, bytes: [97] },
      { token: 'b', logprob: -1.25, bytes: [98] },
    ],
  });
  assert.deepEqual(
    content.map(({ token, bytes }: { token: string; bytes: number[] }) => [token, bytes]),
    [
      ['a', [97]],
      ['bytes:\\xc3', [0xc3]],
      ['bytes:\\xa9', [0xa9]],
    ],
  );
  const { chunks } = await stream(chatPath, params, { answer: 'aé' });
  assert.deepEqual(
    chunks.flatMap(({ choices }) => choices[0].logprobs?.content ?? []),
    content,
  );
});

test('tokens that a stop string cut away have no logprobs', async () => {
  const { body } = await ask(chatPath, { ...chat, logprobs: true, stop: 'XY' }, { answer: 'abXYc' });
  assert.equal(body.choices[0].logprobs.content.length, 2);
});

test('completion logprobs are lists side by side with offsets into the text', async () => {
  const { body } = await ask(plainPath, { ...plain, logprobs: 2 }, { answer: 'aéb' });
  const { logprobs } = body.choices[0];
  assert.deepEqual(logprobs.tokens, ['a', 'bytes:\\xc3', 'bytes:\\xa9', 'b']);
  assert.deepEqual(logprobs.text_offset, [0, 1, 1, 2]);
  assert.deepEqual(logprobs.token_logprobs, [-0.25, -0.25, -0.25, -0.25]);
  assert.deepEqual(logprobs.top_logprobs[0], { a: -0.25, b: -1.25 });
  const none = await ask(plainPath, { ...plain, logprobs: 0 }, { answer: 'a' });
  assert.deepEqual([none.body.choices[0].logprobs.tokens, none.body.choices[0].logprobs.top_logprobs], [['a'], null]);
});

test('vessel.detail tells session, ids, route and figures of each choice, whole or in the last chunk', async () => {
  const params = { ...chat, n: 2, vessel: { detail: true } };
  const { body, asker } = await ask(chatPath, params, { answer: 'ab' });
  const { choices, seed } = body.vessel;
  assert.equal(seed, 42);
  assert.deepEqual(choices[1], {
    index: 1,
    session: 'session-2',
    promptIds: asker.requests[1]!.promptIds,
    tokenIds: byteIds('ab'),
    route: [{ provider: 'fake-peer', from: 0, to: 8, backend: 'wasm', adapter: 'fake' }],
    stats: { bytesPerTokenPerHop: 256, relayMessagesPerToken: 0, failovers: 0, recoveries: [] },
    firstTokenMs: 0,
    tokensPerSecond: null,
  });
  for (const stream_options of [undefined, { include_usage: true }]) {
    const { chunks } = await stream(chatPath, { ...params, stream_options }, { answer: 'ab' });
    assert.deepEqual(
      chunks.at(-1).vessel.choices.map(({ index, tokenIds }: { index: number; tokenIds: number[] }) => [index, tokenIds]),
      [
        [0, byteIds('ab')],
        [1, byteIds('ab')],
      ],
    );
  }
});

test('speed is told from the clock: the wait for the first token, and the rate after it', async () => {
  const relay = await httpRelay({ answer: 'abcd', before: () => relay.time.advance(250) });
  const body = await (await relay.post(chatPath, { ...chat, vessel: { detail: true } })).json();
  const [{ firstTokenMs, tokensPerSecond }] = body.vessel.choices;
  assert.deepEqual([firstTokenMs, tokensPerSecond], [500, 4]);
});

test('ignore_eos goes on past the stop id', async () => {
  const { body, asker } = await ask(
    plainPath,
    { ...plain, max_tokens: 3, vessel: { ignore_eos: true, detail: true } },
    { answer: () => [...byteIds('a'), 2, ...byteIds('b')] },
  );
  assert.deepEqual(asker.requests[0]!.stopIds, []);
  assert.deepEqual(body.vessel.choices[0].tokenIds, [...byteIds('a'), 2, ...byteIds('b')]);
  assert.equal(body.choices[0].text, 'ab');
  assert.equal(body.choices[0].finish_reason, 'length');
});

test('when the client hangs up, the session is cancelled at once, streaming or not', async () => {
  for (const isStream of [true, false]) {
    const started = gate();
    const relay = await httpRelay({
      before: (index) => {
        if (index < 2) return;
        started.open();
        return new Promise<void>(() => undefined);
      },
    });
    const client = new AbortController();
    const answer = relay
      .post(chatPath, { ...chat, stream: isStream }, { signal: client.signal })
      .then((response) => response.text());
    await started.opened;
    assert.equal(relay.asker.open, 1);
    client.abort();
    await answer.catch(() => undefined);
    assert.deepEqual([relay.asker.open, relay.asker.cancelled], [0, 1]);
    assert.ok(relay.asker.requests[0]!.signal!.aborted);
    assert.deepEqual([relay.lines.length, relay.lines[0]!.code], [1, 'cancelled']);
  }
});

test('a reader that cancels the stream cancels the session', async () => {
  const started = gate();
  const relay = await httpRelay({
    before: (index) => {
      if (index < 1) return;
      started.open();
      return new Promise<void>(() => undefined);
    },
  });
  const { body } = await relay.post(chatPath, { ...chat, n: 2, stream: true });
  const reader = body!.getReader();
  await reader.read();
  await reader.read();
  await reader.read();
  void reader.read().catch(() => undefined);
  await started.opened;
  await reader.cancel();
  assert.deepEqual([relay.asker.open, relay.asker.cancelled], [0, 2]);
  assert.equal(relay.lines[0]!.code, 'cancelled');
  assert.match(await relay.registry.metrics(), /vessel_active_answers 0/);
});

test('one failing choice fails the request and frees the others', async () => {
  const { body, asker } = await ask(
    chatPath,
    { ...chat, n: 3 },
    {
      answer: 'some words',
      before: (index, { sampling }) => {
        if (sampling.choice === 1 && index === 3) throw new VesselError('provider_lost');
      },
    },
  );
  assert.equal(body.error.code, 'provider_lost');
  await new Promise(setImmediate);
  assert.equal(asker.open, 0);
});

test('an error after the stream began is an event, and the stream ends without [DONE]', async () => {
  const { response, chunks, end, lines } = await stream(chatPath, chat, {
    before: (index) => {
      if (index === 2) throw new VesselError('provider_lost', 'The tab was closed.');
    },
  });
  assert.equal(response.status, 200);
  assert.equal(chunks.length, 3);
  assert.deepEqual(JSON.parse(end!.replace('data: ', '')), {
    error: { message: 'The tab was closed.', type: 'server_error', param: null, code: 'provider_lost' },
  });
  assert.equal(lines[0]!.code, 'provider_lost');
});

test('a silent stream says a comment every keepAliveMs, also before the first token and while waiting in line', async () => {
  const route = gate();
  const relay = await httpRelay({ answer: 'a', before: (index) => (index === -1 ? route.opened : undefined) });
  const pending = relay.post(chatPath, { ...chat, stream: true });
  const untilWaiting = async () => {
    while (relay.time.waiting === 0) await new Promise(setImmediate);
  };
  await untilWaiting();
  relay.time.advance(15_000);
  const reader = (await pending).body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, ': keep-alive\n\n');
  const second = reader.read();
  await untilWaiting();
  relay.time.advance(15_000);
  assert.equal((await second).value, ': keep-alive\n\n');
  route.open();
  let rest = '';
  for (let next = await reader.read(); !next.done; next = await reader.read()) rest += next.value;
  assert.match(rest, /"content":"a"/);
  assert.match(rest, /data: \[DONE\]\n\n$/);
  assert.equal(relay.time.waiting, 0);
});

test('work beyond the limit waits in line, and a full line is a 429 with Retry-After', async () => {
  const work = gate();
  const relay = await httpRelay({ settings: { maxConcurrent: 1, maxQueued: 1 }, before: () => work.opened });
  const first = relay.post(chatPath, chat);
  const second = relay.post(chatPath, chat);
  while (!(await relay.registry.metrics()).includes('vessel_queued_requests 1')) await new Promise(setImmediate);
  for (const isStream of [false, true]) {
    const third = await relay.post(chatPath, { ...chat, stream: isStream });
    assert.equal(third.status, 429);
    assert.ok(Number(third.headers.get('retry-after')) > 0);
    assert.equal((await third.json()).error.code, 'queue_full');
  }
  work.open();
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
});

test('a client that hangs up while waiting in line never reaches the network', async () => {
  const work = gate();
  const relay = await httpRelay({ settings: { maxConcurrent: 1 }, before: () => work.opened });
  const first = relay.post(chatPath, chat);
  const client = new AbortController();
  const second = relay.post(chatPath, chat, { signal: client.signal });
  while (!(await relay.registry.metrics()).includes('vessel_queued_requests 1')) await new Promise(setImmediate);
  client.abort();
  assert.equal((await second).status, 499);
  work.open();
  assert.equal((await first).status, 200);
  assert.equal(relay.asker.requests.length, 1);
});

test('one key may have only so many requests in work', async () => {
  const work = gate();
  const relay = await httpRelay({ settings: { maxConcurrentPerKey: 1 }, before: () => work.opened });
  const first = relay.post(chatPath, chat);
  while (relay.asker.requests.length === 0) await new Promise(setImmediate);
  assert.equal((await relay.post(chatPath, chat)).status, 429);
  work.open();
  assert.equal((await first).status, 200);
});
