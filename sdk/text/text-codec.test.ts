import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ErrorCode } from '../../shared/protocol/errors.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { byteCodec, byteCodecFiles, byteIds } from '../../testing/byte-codec.ts';
import { codecOf, tokenizerFolders } from '../../testing/tokenizer-folders.ts';
import { TextCodec } from './text-codec.ts';

const folderOf = (name: string) => tokenizerFolders().find((entry) => entry.name === name)!.folder;
const failsWith = (code: ErrorCode) => (error: unknown) => error instanceof VesselError && error.code === code;

test("vessel-tiny's chat template and tokenizer give the reference prompt ids, and its answer's text", () => {
  const folder = folderOf('vessel-tiny')!;
  const codec = codecOf(folder);
  const { samples } = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'));
  const chat = samples.filter(({ kind }: { kind: string }) => kind === 'chat');
  assert.ok(chat.length > 0);
  for (const { prompt, input_ids, greedy_ids, greedy_until_eos } of chat) {
    assert.deepEqual(codec.encode(prompt, { special: true }), input_ids);
    const turns = [...prompt.matchAll(/<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>/gs)];
    const messages = turns.map(([, role, content]) => ({ role: role!, content: content! }));
    assert.deepEqual(codec.applyChatTemplate(messages), input_ids);
    const end = greedy_ids.indexOf(2);
    assert.equal(codec.decode(end < 0 ? greedy_ids : greedy_ids.slice(0, end)), greedy_until_eos);
  }
});

test('stories260K: prompt and continuation joined are the reference text', () => {
  const folder = folderOf('stories260K')!;
  const codec = codecOf(folder);
  const { results } = JSON.parse(readFileSync(join(folder, '../greedy_reference.json'), 'utf8'));
  for (const { prompt, prompt_ids, generated_ids, text } of results) {
    assert.deepEqual(codec.encode(prompt, { special: true }), prompt_ids);
    assert.equal(prompt + codec.decode(generated_ids, { continues: true }), text);
  }
});

test("stories260K's post-processor puts the beginning-of-text id first, once, and only when asked", () => {
  const codec = codecOf(folderOf('stories260K')!);
  assert.deepEqual(codec.encode('Once upon a time', { special: true }), [1, 403, 407, 261, 378]);
  assert.deepEqual(codec.encode('Once upon a time', { special: false }), [403, 407, 261, 378]);
  assert.deepEqual(codec.encode('', { special: true }), [1]);
  assert.deepEqual(codec.encode('', { special: false }), []);
});

test('qwen encodes and decodes 83 multilingual texts as the reference does', {
  skip: folderOf('qwen') ? false : 'needs VESSEL_FIXTURES',
}, () => {
  const codec = codecOf(folderOf('qwen')!);
  const reference = (name: string) => JSON.parse(readFileSync(join(folderOf('qwen')!, '../reference', name), 'utf8'));
  const texts = new Map<string, string>(
    reference('multilingual_inputs.json').map(({ id, text }: { id: string; text: string }) => [id, text]),
  );
  const { entries } = reference('qwen2_5_multilingual.json');
  for (const { id, input_ids, decoded_skip_special } of entries) {
    assert.deepEqual(codec.encode(texts.get(id)!, { special: true }), input_ids, id);
    assert.equal(codec.decode(input_ids), decoded_skip_special, id);
  }
});

test('a template that writes the beginning-of-text itself does not get a second one', () => {
  const { tokenizer, config } = byteCodecFiles();
  const codec = new TextCodec({ tokenizer, config: { ...config, chat_template: '{{ bos_token }}{{ messages[0].content }}' } });
  assert.deepEqual(codec.applyChatTemplate([{ role: 'user', content: 'x' }]), [0, ...byteIds('x')]);
  assert.deepEqual(codec.encode('x', { special: true }), [0, ...byteIds('x')]);
});

test('special tokens may be objects and templates may have names', () => {
  const { tokenizer, config } = byteCodecFiles();
  const templates = [
    { name: 'tool_use', template: 'no' },
    { name: 'default', template: '{{ eos_token }}' },
  ];
  const codec = new TextCodec({
    tokenizer,
    config: { ...config, eos_token: { content: '<|im_end|>' }, chat_template: templates },
  });
  assert.deepEqual(codec.applyChatTemplate([]), [2]);
});

test('the generation prompt can be left out', () => {
  const codec = byteCodec();
  const messages = [{ role: 'user', content: 'x' }];
  const withPrompt = codec.applyChatTemplate(messages);
  const without = codec.applyChatTemplate(messages, { addGenerationPrompt: false });
  assert.deepEqual(withPrompt.slice(0, without.length), without);
  assert.equal(codec.decode(withPrompt.slice(without.length)), 'assistant\n');
});

test('text parts are joined, other parts are refused', () => {
  const codec = byteCodec();
  const parts = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  assert.deepEqual(
    codec.applyChatTemplate([{ role: 'user', content: parts }]),
    codec.applyChatTemplate([{ role: 'user', content: 'ab' }]),
  );
  assert.throws(() => codec.applyChatTemplate([{ role: 'user', content: [{ type: 'image_url' }] }]), failsWith('unsupported'));
});

test("a template's own refusal reaches the caller as a bad request", () => {
  assert.throws(() => byteCodec().applyChatTemplate([{ role: 'wizard', content: 'x' }]), {
    code: 'bad_request',
    message: /unknown role/,
  });
});

test('a model without a chat template says so and what to use instead', () => {
  const codec = new TextCodec(byteCodecFiles({ withTemplate: false }));
  assert.equal(codec.hasChatTemplate, false);
  assert.throws(() => codec.applyChatTemplate([]), { code: 'unsupported', message: /v1\/completions/ });
});

test('the date in a template is that of the clock, in English and UTC', () => {
  const { tokenizer, config } = byteCodecFiles();
  const now = () => new Date('2026-02-03T23:30:00Z');
  const chat_template = "{{ strftime_now('%d %b %Y %H:%M %B %A %%') }}";
  const codec = new TextCodec({ tokenizer, config: { ...config, chat_template } }, { now });
  assert.equal(codec.decode(codec.applyChatTemplate([])), '03 Feb 2026 23:30 February Tuesday %');
});

test('what real templates use of Jinja works: namespaces, loops, slices, tests for what is absent', () => {
  const { tokenizer, config } = byteCodecFiles();
  const chat_template = `{%- set ns = namespace(last=0) -%}
{%- if not tools is defined or tools is none -%}{%- set tools = [] -%}{%- endif -%}
{%- for message in messages[1:] -%}{%- set ns.last = loop.index0 -%}{{ message['content'] | trim }};{%- endfor -%}
{%- for i in range(2) -%}{{ i }}{%- endfor -%}{{ ns.last }}{%- if enable_thinking is defined and enable_thinking is false -%}x{%- endif -%}{%- if True and none is none -%}!{%- endif -%}`;
  const codec = new TextCodec({ tokenizer, config: { ...config, chat_template } });
  const messages = ['s', ' a ', 'b'].map((content) => ({ role: 'user', content }));
  assert.equal(codec.decode(codec.applyChatTemplate(messages)), 'a;b;011!');
});

test('a template cannot fill the memory with one range', () => {
  const { tokenizer, config } = byteCodecFiles();
  const codec = new TextCodec({
    tokenizer,
    config: { ...config, chat_template: '{% for i in range(1000000000) %}x{% endfor %}' },
  });
  assert.throws(() => codec.applyChatTemplate([]), failsWith('unsupported'));
});

test('damaged tokenizers and templates are refused when the model is opened', () => {
  const { tokenizer, config } = byteCodecFiles();
  const damaged: unknown[] = [
    null,
    {},
    { tokenizer: {}, config: {} },
    { tokenizer: { ...tokenizer, model: { type: 'BPE' } }, config },
    { tokenizer: { ...tokenizer, decoder: null }, config },
    { tokenizer, config: { ...config, chat_template: '{% for %}' } },
  ];
  for (const files of damaged) assert.throws(() => new TextCodec(files), failsWith('bad_checkpoint'));
});

test('one token by itself has text and bytes; half a character is written as its bytes', () => {
  const codec = byteCodec();
  const [half] = byteIds('é');
  assert.deepEqual(codec.tokenText(byteIds('a')[0]!), { text: 'a', bytes: [97] });
  assert.deepEqual(codec.tokenText(half!), { text: 'bytes:\\xc3', bytes: [0xc3] });
  assert.deepEqual(codec.tokenText(2), { text: '<|im_end|>', bytes: [...new TextEncoder().encode('<|im_end|>')] });
});
