/** The API over a real port, driven by OpenAI's own client. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ServerType, serve } from '@hono/node-server';
import OpenAI from 'openai';
import { VesselError } from '../../shared/protocol/errors.ts';
import { byteIds } from '../../testing/byte-codec.ts';
import { type HttpRelayOptions, httpRelay } from '../../testing/http-relay.ts';

const servers: ServerType[] = [];
const messages = [{ role: 'user' as const, content: 'hi' }];

async function client(options: HttpRelayOptions = {}, key?: string) {
  const relay = await httpRelay(options);
  const apiKey = key ?? (await relay.keys.create({ name: 'test' })).secret;
  const port = await new Promise<number>((resolve) => {
    servers.push(serve({ fetch: relay.app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve(info.port)));
  });
  return { ...relay, port, openai: new OpenAI({ apiKey, baseURL: `http://127.0.0.1:${port}/v1`, maxRetries: 0 }) };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

let shared: Awaited<ReturnType<typeof client>>;
before(async () => {
  shared = await client({ answer: ({ sampling }) => [...byteIds(sampling.choice === 0 ? 'Hello 🙂' : 'Bonjour'), 2] });
});
after(() => {
  for (const server of servers) server.close();
});

test('models.list and models.retrieve', async () => {
  const names = [];
  for await (const model of shared.openai.models.list()) names.push(model.id);
  assert.deepEqual(names, ['bytes', 'org/plain']);
  assert.equal((await shared.openai.models.retrieve('org/plain')).id, 'org/plain');
});

test('a whole chat answer with usage, two choices and logprobs', async () => {
  const answer = await shared.openai.chat.completions.create({
    model: 'bytes',
    messages,
    n: 2,
    logprobs: true,
    top_logprobs: 1,
    max_completion_tokens: 50,
    seed: 7,
  });
  assert.deepEqual(
    answer.choices.map(({ message, finish_reason }) => [message.content, finish_reason]),
    [
      ['Hello 🙂', 'stop'],
      ['Bonjour', 'stop'],
    ],
  );
  assert.equal(answer.usage?.completion_tokens, 17);
  const tokens = answer.choices[0]!.logprobs!.content!;
  assert.equal(new TextDecoder().decode(Uint8Array.from(tokens.flatMap(({ bytes }) => bytes!))), 'Hello 🙂');
  assert.equal(tokens[0]!.top_logprobs.length, 1);
  assert.equal(shared.asker.requests[0]!.sampling.seed, 7);
});

test('a streamed chat answer with usage in the last chunk', async () => {
  const stream = await shared.openai.chat.completions.create({
    model: 'bytes',
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  const reasons = [];
  let usage: OpenAI.CompletionUsage | null | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
    usage = chunk.usage;
  }
  assert.deepEqual([text, reasons, usage?.completion_tokens], ['Hello 🙂', ['stop'], 10]);
});

test("the client's stream helper puts two choices together", async () => {
  const final = await shared.openai.chat.completions.stream({ model: 'bytes', messages, n: 2 }).finalChatCompletion();
  assert.deepEqual(
    final.choices.map(({ message }) => message.content),
    ['Hello 🙂', 'Bonjour'],
  );
});

test('plain completions, whole and streamed, with a stop string', async () => {
  const params = { model: 'bytes', prompt: 'x', stop: 'lo' };
  const whole = await shared.openai.completions.create(params);
  assert.deepEqual([whole.choices[0]!.text, whole.choices[0]!.finish_reason], ['Hel', 'stop']);
  let text = '';
  for await (const chunk of await shared.openai.completions.create({ ...params, stream: true })) text += chunk.choices[0]!.text;
  assert.equal(text, 'Hel');
});

for (const isStream of [true, false]) {
  test(`a client that leaves in the middle cancels the session (${isStream ? 'streamed' : 'whole'})`, async () => {
    const { openai, asker, lines } = await client({
      before: (index) => (index < 2 ? undefined : new Promise<void>(() => undefined)),
    });
    const controller = new AbortController();
    if (isStream) {
      const stream = await openai.chat.completions.create({ model: 'bytes', messages, stream: true });
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    } else {
      const answer = openai.chat.completions.create({ model: 'bytes', messages }, { signal: controller.signal });
      await until(() => asker.open === 1);
      controller.abort();
      await assert.rejects(answer, OpenAI.APIUserAbortError);
    }
    await until(() => asker.open === 0);
    assert.ok(asker.requests[0]!.signal!.aborted);
    assert.equal(asker.cancelled, 1);
    await until(() => lines.length === 1);
    assert.equal(lines[0]!.code, 'cancelled');
  });
}

test('refusals arrive as the error classes of the client, with code and param', async () => {
  const bad = shared.openai.chat.completions.create({ model: 'bytes', messages, temperature: 9 });
  await assert.rejects(bad, (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
  const tools = [{ type: 'function' as const, function: { name: 'f' } }];
  const unsupported = shared.openai.chat.completions.create({ model: 'bytes', messages, tools });
  await assert.rejects(unsupported, (error) => error instanceof OpenAI.BadRequestError && error.code === 'unsupported');
  const missing = shared.openai.chat.completions.create({ model: 'nothing', messages });
  await assert.rejects(missing, (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  const stranger = await client({ settings: { requireKey: true } }, 'sk-wrong');
  await assert.rejects(stranger.openai.models.list(), OpenAI.AuthenticationError);
  const hurried = await client({ settings: { requestsPerMinute: 1 } });
  await hurried.openai.models.list();
  await assert.rejects(
    hurried.openai.models.list(),
    (error) => error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '60',
  );
  const lonely = await client({
    before: () => {
      throw new VesselError('no_route');
    },
  });
  const unheld = lonely.openai.chat.completions.create({ model: 'bytes', messages, stream: true });
  await assert.rejects(unheld, (error) => error instanceof OpenAI.InternalServerError && error.status === 503);
});

test('an error in the middle of a stream is thrown by the client', async () => {
  const { openai } = await client({
    before: (index) => {
      if (index === 3) throw new VesselError('provider_lost', 'The tab was closed.');
    },
  });
  let text = '';
  const read = async () => {
    const stream = await openai.chat.completions.create({ model: 'bytes', messages, stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  };
  await assert.rejects(read(), (error) => error instanceof OpenAI.APIError && error.code === 'provider_lost');
  assert.equal(text, 'Hel');
});

test('a body that is too large is refused over the wire', async () => {
  const { port } = await client();
  const init = { method: 'POST', body: 'x'.repeat(1_000_000) };
  const response = await fetch(`http://127.0.0.1:${port}/v1/completions`, init);
  assert.equal(response.status, 413);
  assert.equal((await response.json()).error.code, 'body_too_large');
});
