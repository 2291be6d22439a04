import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Template } from '@huggingface/jinja';
import { Tokenizer } from '@huggingface/tokenizers';
import { specialTokens, tokenizerSize } from './byte-tokenizer.ts';
import { folderCheckpoint, memoryCheckpoint, writeCheckpoint } from './checkpoint-folder.ts';
import { familyPresets, randomCheckpoint } from './random-checkpoint.ts';

function readJson(files: Map<string, Uint8Array>, name: string) {
  return JSON.parse(new TextDecoder().decode(files.get(name)));
}

test('the same options give the same bytes, another seed gives others', () => {
  const weights = (seed: number) => randomCheckpoint({ ...familyPresets.qwen3, seed }).get('model.safetensors');
  assert.deepEqual(weights(3), weights(3));
  assert.notDeepEqual(weights(3), weights(4));
});

test('the tokenizer encodes any text, merges, and gives back what it was given', () => {
  const files = randomCheckpoint(familyPresets.llama);
  const tokenizer = new Tokenizer(readJson(files, 'tokenizer.json'), readJson(files, 'tokenizer_config.json'));
  for (const text of ['the cat and the hat', 'Grüße, 世界 🚢\n\tx', ' ']) {
    const { ids } = tokenizer.encode(text);
    assert.equal(tokenizer.decode(ids), text);
    assert.ok(ids.every((id) => id < tokenizerSize));
  }
  assert.equal(tokenizer.encode('the').ids.length, 1);
  assert.deepEqual(tokenizer.encode(specialTokens.join('')).ids, [0, 1, 2]);
});

test('the chat template is ChatML', () => {
  const config = readJson(randomCheckpoint(familyPresets.llama), 'tokenizer_config.json');
  const text = new Template(config.chat_template).render({
    messages: [{ role: 'user', content: 'hi' }],
    add_generation_prompt: true,
  });
  assert.equal(text, '<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n');
});

test('a checkpoint written to a folder reads back the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-'));
  try {
    const files = randomCheckpoint({ ...familyPresets.smollm2, sharded: true });
    await writeCheckpoint(files, folder);
    const written = folderCheckpoint(folder);
    const held = memoryCheckpoint(files);
    assert.deepEqual((await written.files()).toSorted(), (await held.files()).toSorted());
    const name = 'model-00002-of-00003.safetensors';
    assert.equal(await written.size(name), await held.size(name));
    assert.deepEqual(await written.read(name, 100, 1000), await held.read(name, 100, 1000));
    assert.deepEqual(new Uint8Array(await readFile(join(folder, name))), files.get(name));
  } finally {
    await rm(folder, { recursive: true });
  }
});
