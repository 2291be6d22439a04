/** OpenAI's own client asks a relay whose model lives in three Chromium tabs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { TabNetwork } from '../harness/tab-network.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';

describe('three tabs answer', { skip: skipWithoutBrowser }, () => {
  let network: TabNetwork;
  let openai: OpenAI;
  let chats: TinySample[];

  before(async () => {
    chats = await tinyChats();
    network = await TabNetwork.start({ split: [3, 3, 2] });
    await network.addTabs(3);
    await network.ready();
    openai = new OpenAI({ apiKey: 'none-needed', baseURL: `${network.url}/v1`, maxRetries: 0 });
  });
  after(() => network?.close());

  const greedy = { model: 'vessel-tiny', temperature: 0 } as const;

  test('a chat, whole: the reference’s text, its stop, its usage', async () => {
    const { messages, text, promptIds, ids } = chats[1]!;
    const answer = await openai.chat.completions.create({ ...greedy, messages });
    assert.equal(answer.choices[0]!.message.content, text);
    assert.equal(answer.choices[0]!.finish_reason, 'stop');
    // The stop token is computed, so it is counted.
    assert.equal(answer.usage!.prompt_tokens, promptIds.length);
    assert.ok([ids.length, ids.length + 1].includes(answer.usage!.completion_tokens), JSON.stringify(answer.usage));
    assert.equal(answer.usage!.total_tokens, answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
  });

  test('a chat, streamed: the same text in pieces, usage in the last chunk', async () => {
    const { messages, text, promptIds } = chats[2]!;
    const stream = await openai.chat.completions.create({
      ...greedy,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces: string[] = [];
    let finish: string | null = null;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      if (choice?.delta.content) pieces.push(choice.delta.content);
      finish = choice?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    assert.equal(pieces.join(''), text);
    assert.ok(pieces.length > 3, 'it came in pieces');
    assert.equal(finish, 'stop');
    assert.equal(usage?.prompt_tokens, promptIds.length);
  });

  test('a conversation of several turns and a system message', async () => {
    for (const { messages, text } of chats.filter(({ messages }) => messages.length > 1)) {
      const answer = await openai.chat.completions.create({ ...greedy, messages });
      assert.equal(answer.choices[0]!.message.content, text);
    }
  });

  test('a completion, streamed and cut by max_tokens', async () => {
    const prompt = 'Once upon a time, a little owl named Luna lived in a quiet forest.';
    const whole = await openai.completions.create({ ...greedy, prompt, max_tokens: 8 });
    assert.equal(whole.choices[0]!.finish_reason, 'length');
    assert.equal(whole.usage!.completion_tokens, 8);
    assert.ok(
      ' For her birthday, she had been given a purple postcard.'.startsWith(whole.choices[0]!.text),
      whole.choices[0]!.text,
    );
    let text = '';
    for await (const chunk of await openai.completions.create({ ...greedy, prompt, max_tokens: 8, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    assert.equal(text, whole.choices[0]!.text);
  });

  test('n = 2: greedy choices are equal; drawn ones repeat with their seed', async () => {
    const { messages, text } = chats[2]!;
    const two = await openai.chat.completions.create({ ...greedy, messages, n: 2 });
    assert.deepEqual(
      two.choices.map(({ index, message }) => [index, message.content]),
      [
        [0, text],
        [1, text],
      ],
    );
    const drawn = { ...greedy, messages: chats[0]!.messages, n: 2, temperature: 1.2, seed: 5, max_tokens: 12 };
    const first = await openai.chat.completions.create(drawn);
    const again = await openai.chat.completions.create(drawn);
    const contents = (answer: OpenAI.ChatCompletion) => answer.choices.map(({ message }) => message.content);
    assert.deepEqual(contents(again), contents(first));
    assert.notEqual(first.choices[0]!.message.content, first.choices[1]!.message.content, 'each choice has draws of its own');
  });

  test('logprobs: as many as asked for, best first, the greedy token on top', async () => {
    const answer = await openai.chat.completions.create({
      ...greedy,
      messages: chats[2]!.messages,
      logprobs: true,
      top_logprobs: 3,
      max_tokens: 5,
    });
    const tokens = answer.choices[0]!.logprobs!.content!;
    assert.equal(tokens.length, 5);
    for (const { token, logprob, top_logprobs: top } of tokens) {
      assert.equal(top.length, 3);
      assert.equal(top[0]!.token, token);
      assert.equal(top[0]!.logprob, logprob);
      assert.ok(top[0]!.logprob >= top[1]!.logprob && top[1]!.logprob >= top[2]!.logprob && logprob <= 0);
    }
    assert.equal(tokens.map(({ token }) => token).join(''), answer.choices[0]!.message.content);
  });

  test('a stop string ends the answer and is left out, and the tabs are freed', async () => {
    const answer = await openai.chat.completions.create({ ...greedy, messages: chats[0]!.messages, stop: ' lived' });
    assert.equal(answer.choices[0]!.message.content, 'Pip was a fox who');
    assert.equal(answer.choices[0]!.finish_reason, 'stop');
    await network.idle();
  });

  test('a client that hangs up in the middle: every hop frees the session', async () => {
    const stream = await openai.chat.completions.create({
      ...greedy,
      messages: chats[0]!.messages,
      stream: true,
      max_tokens: 400,
      // @ts-expect-error: Vessel's own field
      vessel: { ignore_eos: true },
    });
    let pieces = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++pieces === 3) {
        assert.equal(network.relay.coordinator.sessions, 1);
        stream.controller.abort();
      }
    }
    assert.ok(pieces >= 3);
    await network.idle();
  });

  test('eight asks at once are all right, and leave nothing', async () => {
    const asked = Array.from({ length: 8 }, (_, i) => chats[i % chats.length]!);
    const answers = await Promise.all(
      asked.map(({ messages }) => openai.chat.completions.create({ ...greedy, messages, max_tokens: 12 })),
    );
    for (const [i, answer] of answers.entries()) {
      const content = answer.choices[0]!.message.content!;
      assert.ok(asked[i]!.text.startsWith(content) && content.length > 5, `${i}: ${content}`);
    }
    await network.idle();
  });

  test('what the API refuses never reaches a tab', async () => {
    const messages = chats[0]!.messages;
    const status = (thrown: unknown) => (thrown instanceof OpenAI.APIError ? [thrown.status, thrown.code] : thrown);
    const refused = async (body: object) =>
      openai.chat.completions.create({ ...greedy, messages, ...body }).then(() => assert.fail('it was answered'), status);
    assert.deepEqual(await refused({ model: 'nobody-has-it' }), [404, 'model_not_found']);
    assert.deepEqual(await refused({ messages: [{ role: 'user', content: 'kite '.repeat(600) }] }), [400, 'context_exceeded']);
    assert.deepEqual(await refused({ max_tokens: 0 }), [400, 'bad_request']);
    assert.deepEqual(await refused({ temperature: 1e9 }), [400, 'bad_request']);
    assert.equal(network.relay.coordinator.sessions, 0);
  });

  test('the tabs had nothing to complain about', () => {
    assert.deepEqual(
      network.tabs.flatMap(({ complaints }) => complaints),
      [],
    );
  });
});
