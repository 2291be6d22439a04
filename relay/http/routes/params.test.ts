import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../shared/protocol/errors.ts';
import { byteIds } from '../../../testing/byte-codec.ts';
import { httpRelay, testModel } from '../../../testing/http-relay.ts';

const chat = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const plain = { model: 'bytes', prompt: 'hi' };
const chatPath = '/v1/chat/completions';
const plainPath = '/v1/completions';

/** [parameters beside a good request, the parameter the refusal names] */
const absurdForBoth: [Record<string, unknown>, string][] = [
  [{ model: undefined }, 'model'],
  [{ model: '' }, 'model'],
  [{ model: 7 }, 'model'],
  [{ max_tokens: 0 }, 'max_tokens'],
  [{ max_tokens: -1 }, 'max_tokens'],
  [{ max_tokens: 1.5 }, 'max_tokens'],
  [{ max_tokens: '5' }, 'max_tokens'],
  [{ n: 0 }, 'n'],
  [{ n: 9 }, 'n'],
  [{ n: 1e300 }, 'n'],
  [{ temperature: -0.1 }, 'temperature'],
  [{ temperature: 2.1 }, 'temperature'],
  [{ temperature: 'hot' }, 'temperature'],
  [{ top_p: 0 }, 'top_p'],
  [{ top_p: 1.01 }, 'top_p'],
  [{ top_k: -1 }, 'top_k'],
  [{ top_k: 1e9 }, 'top_k'],
  [{ min_p: 2 }, 'min_p'],
  [{ repetition_penalty: 0 }, 'repetition_penalty'],
  [{ presence_penalty: 3 }, 'presence_penalty'],
  [{ frequency_penalty: -3 }, 'frequency_penalty'],
  [{ seed: -1 }, 'seed'],
  [{ seed: 0.5 }, 'seed'],
  [{ seed: 2 ** 60 }, 'seed'],
  [{ logit_bias: { 5: 101 } }, 'logit_bias.5'],
  [{ logit_bias: { abc: 1 } }, 'logit_bias.abc'],
  [{ logit_bias: { 99999: 1 } }, 'logit_bias'],
  [{ logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, id) => [id, 1])) }, 'logit_bias'],
  [{ stop: '' }, 'stop'],
  [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
  [{ stop: [1] }, 'stop'],
  [{ stop: 'x'.repeat(257) }, 'stop'],
  [{ stop: '\ud83d' }, 'stop'],
  [{ stream: 'yes' }, 'stream'],
  [{ stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
  [{ user: 7 }, 'user'],
  [{ metadata: 'x' }, 'metadata'],
  [{ store: 'x' }, 'store'],
  [{ vessel: { detail: 'x' } }, 'vessel.detail'],
  [{ vessel: { else: true } }, 'vessel.else'],
  [{ temprature: 1 }, 'temprature'],
];
const absurdForChat: [Record<string, unknown>, string][] = [
  [{ messages: undefined }, 'messages'],
  [{ messages: [] }, 'messages'],
  [{ messages: 'hi' }, 'messages'],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
  [{ messages: [{ role: 'user', content: null }] }, 'messages[0].content'],
  [{ messages: [{ role: 'king', content: 'hi' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'user', content: [] }] }, 'messages[0].content'],
  [{ messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
  [{ logprobs: 1 }, 'logprobs'],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
  [{ top_logprobs: 3 }, 'top_logprobs'],
  [{ max_tokens: 3, max_completion_tokens: 4 }, 'max_tokens'],
  [{ max_completion_tokens: 0 }, 'max_completion_tokens'],
];
const absurdForPlain: [Record<string, unknown>, string][] = [
  [{ prompt: undefined }, 'prompt'],
  [{ prompt: [] }, 'prompt'],
  [{ prompt: [[]] }, 'prompt[0]'],
  [{ prompt: [1, 'a'] }, 'prompt'],
  [{ prompt: [-1] }, 'prompt[0]'],
  [{ prompt: [1.5] }, 'prompt'],
  [{ prompt: [100_000] }, 'prompt'],
  [{ prompt: [[5], [100_000]] }, 'prompt[1]'],
  [{ prompt: Array.from({ length: 33 }, () => 'a') }, 'prompt'],
  [{ prompt: Array.from({ length: 8 }, () => 'a'), n: 8 }, 'n'],
  [{ logprobs: true }, 'logprobs'],
  [{ logprobs: 21 }, 'logprobs'],
  [{ best_of: 1, n: 2 }, 'best_of'],
];
const unsupportedForChat: [Record<string, unknown>, string][] = [
  [{ tools: [{ type: 'function' }] }, 'tools'],
  [{ functions: [{}] }, 'functions'],
  [{ tool_choice: 'required' }, 'tool_choice'],
  [{ function_call: 'auto' }, 'function_call'],
  [{ response_format: { type: 'json_object' } }, 'response_format'],
  [{ response_format: { type: 'json_schema', json_schema: {} } }, 'response_format'],
  [{ modalities: ['text', 'audio'] }, 'modalities'],
  [{ audio: { voice: 'x' } }, 'audio'],
  [{ prediction: {} }, 'prediction'],
  [{ web_search_options: {} }, 'web_search_options'],
  [{ reasoning_effort: 'high' }, 'reasoning_effort'],
  [{ vessel: { raw: true } }, 'vessel.raw'],
  [{ messages: [{ role: 'tool', content: 'x', tool_call_id: 'y' }] }, 'messages[0]'],
  [{ messages: [{ role: 'assistant', content: 'x', tool_calls: [{}] }] }, 'messages[0]'],
  [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'messages[0].content[0].type'],
];
const unsupportedForPlain: [Record<string, unknown>, string][] = [
  [{ echo: true }, 'echo'],
  [{ suffix: 'x' }, 'suffix'],
  [{ best_of: 3, n: 2 }, 'best_of'],
];

async function assertRefused(path: string, good: object, cases: [Record<string, unknown>, string][], code: ErrorCode) {
  const { post, asker } = await httpRelay();
  for (const [extra, param] of cases) {
    const response = await post(path, { ...good, ...extra });
    const { error } = await response.json();
    const label = JSON.stringify(extra).slice(0, 100);
    assert.deepEqual(
      [response.status, error?.code, error?.param, error?.type],
      [400, code, param, 'invalid_request_error'],
      label,
    );
    assert.ok(error.message.length > 10, label);
  }
  assert.equal(asker.requests.length, 0);
}

test('each absurd value is a 400 that names its parameter, in chat', () =>
  assertRefused(chatPath, chat, [...absurdForBoth, ...absurdForChat], 'bad_request'));

test('each absurd value is a 400 that names its parameter, in completions', () =>
  assertRefused(plainPath, plain, [...absurdForBoth, ...absurdForPlain], 'bad_request'));

test('what cannot be honoured is refused by name, never ignored', async () => {
  await assertRefused(chatPath, chat, unsupportedForChat, 'unsupported');
  await assertRefused(plainPath, plain, unsupportedForPlain, 'unsupported');
});

test('what asks for nothing special is let through, as are nulls and what other clients always send', async () => {
  const { post } = await httpRelay();
  const harmless = {
    user: 'u',
    metadata: { a: 'b' },
    store: false,
    service_tier: 'auto',
    temperature: null,
    top_p: null,
    n: null,
    seed: null,
    stop: null,
    stream: null,
    logit_bias: null,
    max_tokens: null,
  };
  const forChat = {
    tools: [],
    tool_choice: 'auto',
    parallel_tool_calls: true,
    response_format: { type: 'text' },
    modalities: ['text'],
    functions: null,
    logprobs: false,
    top_logprobs: 0,
    max_completion_tokens: 5,
    messages: [
      { role: 'developer', content: 'be brief', name: 'x' },
      { role: 'assistant', content: 'ok', refusal: null, annotations: [], tool_calls: null },
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    ],
  };
  assert.equal((await post(chatPath, { ...chat, ...harmless, ...forChat })).status, 200);
  const forPlain = { echo: false, suffix: null, best_of: 1, vessel: { raw: true } };
  assert.equal((await post(plainPath, { ...plain, ...harmless, ...forPlain })).status, 200);
});

test('an unknown model is a 404 and a model without a chat template says what to use', async () => {
  const { post } = await httpRelay();
  const missing = await post(chatPath, { ...chat, model: 'nothing' });
  assert.equal(missing.status, 404);
  assert.deepEqual((await missing.json()).error.code, 'model_not_found');
  const plainOnly = await post(chatPath, { ...chat, model: 'org/plain' });
  assert.equal(plainOnly.status, 400);
  const { error } = await plainOnly.json();
  assert.deepEqual([error.code, error.param], ['unsupported', 'messages']);
  assert.match(error.message, /\/v1\/completions/);
  assert.equal((await post(plainPath, { ...plain, model: 'org/plain' })).status, 200);
});

test('a prompt and answer beyond the context are refused, also unread when far beyond', async () => {
  const { post, asker } = await httpRelay();
  const refused = async (body: object) => {
    const response = await post(plainPath, body);
    assert.equal(response.status, 400);
    const { error } = await response.json();
    assert.equal(error.code, 'context_exceeded');
    return error.param;
  };
  const ids = Array.from({ length: 512 }, () => 50);
  assert.equal(await refused({ ...plain, prompt: ids }), 'prompt');
  assert.equal(await refused({ ...plain, prompt: ids.slice(0, 500), max_tokens: 13 }), 'max_tokens');
  assert.equal(await refused({ ...plain, max_tokens: 1e12 }), 'max_tokens');
  assert.equal(await refused({ ...plain, prompt: 'x'.repeat(20_000) }), 'prompt');
  assert.equal((await post(plainPath, { ...plain, prompt: ids.slice(0, 500), max_tokens: 12 })).status, 200);
  assert.equal(asker.requests.length, 1);
});

test('parameters reach the network as the protocol names them', async () => {
  const { post, asker } = await httpRelay();
  await post(plainPath, {
    model: 'bytes',
    prompt: [7, 8],
    max_tokens: 9,
    n: 2,
    seed: 3,
    temperature: 0,
    top_p: 0.5,
    top_k: 40,
    min_p: 0.1,
    repetition_penalty: 1.1,
    presence_penalty: 0.2,
    frequency_penalty: 0.3,
    logit_bias: { 5: -100 },
    logprobs: 2,
  });
  const [first, second] = asker.requests.map(({ signal: _, ...request }) => request);
  assert.deepEqual(first, {
    model: testModel.id,
    promptIds: [7, 8],
    maxTokens: 9,
    stopIds: [2, 0],
    sampling: {
      temperature: 0,
      topP: 0.5,
      topK: 40,
      minP: 0.1,
      repetitionPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.3,
      seed: 3,
      choice: 0,
      logitBias: [[5, -100]],
      topLogprobs: 2,
    },
  });
  assert.deepEqual(second, { ...first, sampling: { ...first!.sampling, choice: 1 } });
});

test("defaults are OpenAI's; the answer may take the rest of the context; a drawn seed is reported", async () => {
  const { post, asker } = await httpRelay();
  const { vessel } = await (await post(plainPath, { model: 'bytes', prompt: [7] })).json();
  const { maxTokens, sampling } = asker.requests[0]!;
  assert.equal(maxTokens, 511);
  assert.deepEqual([sampling.temperature, sampling.topP, sampling.topLogprobs, sampling.seed], [1, 1, null, 42]);
  assert.equal(vessel.seed, 42);
});

test('text prompts get what the post-processor adds, ids are taken as they are, chat gets the template alone', async () => {
  const { post, asker } = await httpRelay();
  await post(plainPath, { model: 'bytes', prompt: 'x<|im_end|>' });
  await post(plainPath, { model: 'bytes', prompt: [50] });
  await post(chatPath, chat);
  assert.deepEqual(asker.requests[0]!.promptIds, [0, ...byteIds('x'), 2]);
  assert.deepEqual(asker.requests[1]!.promptIds, [50]);
  assert.equal(asker.requests[2]!.promptIds[0], 1);
});
