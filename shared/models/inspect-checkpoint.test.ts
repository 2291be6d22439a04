import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckpointFilesInMemory, memoryCheckpoint } from '../../testing/checkpoint-folder.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { familyPresets, type RandomCheckpointOptions, randomCheckpoint } from '../../testing/random-checkpoint.ts';
import { encodeSafetensors, type TensorToWrite } from '../../testing/safetensors-writer.ts';
import { convertCheckpoint } from './convert-checkpoint.ts';
import type { Json } from './families/config-reader.ts';
import { inspectCheckpoint } from './inspect-checkpoint.ts';

const small: RandomCheckpointOptions = { ...familyPresets.llama, layers: 2 };
const weights = 'model.safetensors';
const secondShard = 'model-00002-of-00003.safetensors';
const index = 'model.safetensors.index.json';

/** Damages a good checkpoint; it must be refused with the reason, and nothing may have been stored. */
function refuses(
  name: string,
  damage: (files: CheckpointFilesInMemory) => void,
  reason: RegExp,
  options: Partial<RandomCheckpointOptions> = {},
): void {
  test(`${name} is refused before anything is stored`, async () => {
    const files = randomCheckpoint({ ...small, ...options });
    damage(files);
    const blobs = new MemoryBlobs();
    const converting = convertCheckpoint(memoryCheckpoint(files), { name: 'x', dtype: 'f32', origin: 'test' }, blobs);
    await assert.rejects(converting, { code: 'bad_checkpoint', message: reason });
    assert.equal(blobs.blobs.size, 0);
  });
}

function readJson(files: CheckpointFilesInMemory, name: string): Json {
  return JSON.parse(new TextDecoder().decode(files.get(name)));
}

function editJson(name: string, edit: (value: Json) => void) {
  return (files: CheckpointFilesInMemory) => {
    const value = readJson(files, name);
    edit(value);
    files.set(name, new TextEncoder().encode(JSON.stringify(value)));
  };
}

/** Rewrites the tensors of one safetensors file. */
function editTensors(file: string, edit: (tensors: TensorToWrite[]) => TensorToWrite[]) {
  return (files: CheckpointFilesInMemory) => {
    const bytes = files.get(file)!;
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
    delete header.__metadata__;
    const tensors = Object.entries<{ dtype: string; shape: number[]; data_offsets: [number, number] }>(header).map(
      ([name, { dtype, shape, data_offsets: range }]) => ({
        name,
        dtype,
        shape,
        bytes: bytes.subarray(8 + headerBytes + range[0], 8 + headerBytes + range[1]),
      }),
    );
    files.set(file, encodeSafetensors(edit(tensors)));
  };
}

function extra(name: string): TensorToWrite {
  return { name, dtype: 'F32', shape: [1], bytes: new Uint8Array(4) };
}

const upProjection = 'model.layers.1.mlp.up_proj.weight';

refuses('an empty folder', (files) => files.clear(), /has no config.json/);
refuses('a folder without weights', (files) => files.delete(weights), /has no model.safetensors/);
refuses(
  'a folder of PyTorch weights',
  (files) => {
    files.delete(weights);
    files.set('pytorch_model.bin', new Uint8Array(10));
  },
  /PyTorch weights only/,
);
refuses(
  'a folder of GGUF weights',
  (files) => {
    files.delete(weights);
    files.set('model-q4.gguf', new Uint8Array(10));
  },
  /GGUF weights only/,
);
refuses(
  'a config that is cut off',
  (files) => files.set('config.json', files.get('config.json')!.slice(0, 100)),
  /config.json is not JSON/,
);
refuses(
  'a config that is a list',
  (files) => files.set('config.json', new TextEncoder().encode('[]')),
  /config.json is not a JSON object/,
);
refuses(
  'a config that is not text',
  (files) => files.set('config.json', new Uint8Array([0xff, 0xfe])),
  /config.json is not text/,
);
refuses(
  'an unsupported family',
  editJson('config.json', (config) => (config.model_type = 'gpt2')),
  /"gpt2" are not supported/,
);

refuses('a truncated weight file', (files) => files.set(weights, files.get(weights)!.slice(0, -1000)), /cut off/);
refuses(
  'a missing tensor',
  editTensors(weights, (tensors) => tensors.filter(({ name }) => name !== upProjection)),
  /lacks the tensor model\.layers\.1\.mlp\.up_proj\.weight/,
);
refuses(
  'a missing layer',
  editJson('config.json', (config) => (config.num_hidden_layers = 3)),
  /lacks the tensor model\.layers\.2\.input_layernorm/,
);
refuses(
  'a layer too many',
  editJson('config.json', (config) => (config.num_hidden_layers = 1)),
  /does not explain: model\.layers\.1\.input_layernorm\.weight, .* and 6 more/,
);
refuses(
  'a wrong shape',
  editJson('config.json', (config) => (config.intermediate_size = 100)),
  /gate_proj\.weight has the shape \[172, 64\]; config\.json calls for \[100, 64\]/,
);
refuses(
  'a shape that is only turned round',
  editTensors(weights, (tensors) =>
    tensors.map((tensor) => (tensor.name === upProjection ? { ...tensor, shape: [...tensor.shape].reverse() } : tensor)),
  ),
  /has the shape \[64, 172\]/,
);
refuses(
  'a tensor of whole numbers',
  editTensors(weights, (tensors) =>
    tensors.map((tensor) => (tensor.name === upProjection ? { ...tensor, dtype: 'I32' } : tensor)),
  ),
  /up_proj\.weight is I32; supported are F32, F16, BF16/,
);
refuses(
  'a bias that the config does not mention',
  editTensors(weights, (tensors) => [...tensors, extra('model.layers.0.self_attn.q_proj.bias')]),
  /does not explain: model\.layers\.0\.self_attn\.q_proj\.bias\./,
);
refuses(
  'a head of its own beside a missing one',
  editTensors(weights, (tensors) => tensors.filter(({ name }) => name !== 'lm_head.weight')),
  /lacks the tensor lm_head\.weight/,
);

const sharded = { sharded: true };
refuses(
  'an index without its files',
  (files) => files.delete(secondShard),
  /names model-00002-of-00003.safetensors, which is not in/,
  sharded,
);
refuses(
  'files without their index',
  (files) => files.delete(index),
  /neither model.safetensors nor model.safetensors.index.json/,
  sharded,
);
refuses(
  'an index without a map',
  editJson(index, (value) => delete value.weight_map),
  /has no "weight_map"/,
  sharded,
);
refuses(
  'an index that names the wrong file for a tensor',
  editJson(index, (value) => ((value.weight_map as Json)['model.norm.weight'] = secondShard)),
  /says that model\.norm\.weight is in model-00002/,
  sharded,
);
refuses(
  'an index that names a tensor nobody has',
  editJson(index, (value) => ((value.weight_map as Json)['model.ghost'] = secondShard)),
  /says that model\.ghost is in/,
  sharded,
);
refuses(
  'an index that points out of the folder',
  editJson(index, (value) => ((value.weight_map as Json)['model.norm.weight'] = '../secret.safetensors')),
  /names \.\.\/secret\.safetensors, which is not in the folder/,
  sharded,
);
refuses(
  'a tensor in two files',
  editTensors(secondShard, (tensors) => [...tensors, extra('model.norm.weight')]),
  /model\.norm\.weight is in both/,
  sharded,
);
refuses(
  'a truncated file of several',
  (files) => files.set(secondShard, files.get(secondShard)!.slice(0, -4)),
  /00002.*cut off/,
  sharded,
);

refuses('a folder without a tokenizer', (files) => files.delete('tokenizer.json'), /has no tokenizer.json/);
refuses('a folder without a tokenizer config', (files) => files.delete('tokenizer_config.json'), /has no tokenizer_config.json/);
refuses(
  'a tokenizer without a vocabulary',
  editJson('tokenizer.json', (value) => delete value.model),
  /has no vocabulary/,
);
refuses(
  'a tokenizer with text for an id',
  editJson('tokenizer.json', (value) => (((value.model as Json).vocab as Json).the = '7')),
  /malformed vocabulary/,
);
refuses(
  'a vocabulary larger than the embedding',
  editJson('tokenizer.json', (value) => (((value.model as Json).vocab as Json).zebra = 320)),
  /gives "zebra" the id 320, but the model has only 320 embeddings/,
);
refuses(
  'a plain added token beyond the embedding',
  editJson('tokenizer.json', (value) => (value.added_tokens as Json[]).push({ id: 400, content: '<new>', special: false })),
  /gives "<new>" the id 400/,
);
refuses(
  'a post-processor that adds an id beyond the embedding',
  editJson('tokenizer.json', (value) => {
    value.post_processor = { type: 'TemplateProcessing', special_tokens: { '<s>': { id: '<s>', ids: [999], tokens: ['<s>'] } } };
  }),
  /adds an id beyond/,
);
refuses(
  'a stop id beyond the vocabulary',
  editJson('generation_config.json', (value) => (value.eos_token_id = [2, 320])),
  /eos_token_id 320 is not an id below/,
);
refuses(
  'a stop id that is text',
  editJson('generation_config.json', (value) => (value.eos_token_id = '</s>')),
  /eos_token_id "<\/s>" is not an id/,
);
refuses(
  'a generation config that is cut off',
  (files) => files.set('generation_config.json', new TextEncoder().encode('{"eos')),
  /generation_config.json is not JSON/,
);

test('a blob beyond the limit is refused with what would help', async () => {
  const source = memoryCheckpoint(randomCheckpoint(small));
  await assert.rejects(inspectCheckpoint(source, { dtype: 'f32', maxBlobBytes: 100_000 }), {
    code: 'bad_checkpoint',
    message: /The layer 0 of this model takes \d+ bytes as f32; one piece may have 100000 at most/,
  });
  await inspectCheckpoint(source, { dtype: 'q4', maxBlobBytes: 100_000 });
});

test('tensors known to be harmless are ignored', async () => {
  const files = randomCheckpoint({ ...small, tied: true });
  editTensors(weights, (tensors) => [...tensors, extra('lm_head.weight'), extra('model.layers.0.self_attn.rotary_emb.inv_freq')])(
    files,
  );
  const plan = await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' });
  assert.deepEqual(Object.keys(plan.head.tensors), ['norm.final']);
});

test('the language model inside a multimodal Gemma 3 is found under both names it has had', async () => {
  for (const prefix of ['language_model.model.', 'model.language_model.']) {
    const files = randomCheckpoint(familyPresets.gemma3);
    editTensors(weights, (tensors) => [
      ...tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace('model.', prefix) })),
      extra('vision_tower.vision_model.post_layernorm.weight'),
      extra('multi_modal_projector.mm_input_projection_weight'),
    ])(files);
    const text = readJson(files, 'config.json');
    files.set('config.json', new TextEncoder().encode(JSON.stringify({ model_type: 'gemma3', text_config: text })));
    const plan = await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' });
    assert.equal(plan.layers[0]!.weights[0]!.spec.from, `${prefix}layers.0.input_layernorm.weight`);
  }
});

test('stop ids come from the generation config, or the config, and from the tokenizer', async () => {
  const stops = async (edit: (files: CheckpointFilesInMemory) => void) => {
    const files = randomCheckpoint(small);
    edit(files);
    return (await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' })).stopIds;
  };
  assert.deepEqual(await stops(() => {}), [2, 0]);
  assert.deepEqual(await stops((files) => files.delete('generation_config.json')), [2]);
  assert.deepEqual(await stops(editJson('generation_config.json', (value) => (value.eos_token_id = 7))), [7, 2]);
  const endsLater = editJson('tokenizer_config.json', (value) => (value.eos_token = { content: '<|endoftext|>', lstrip: false }));
  assert.deepEqual(
    await stops((files) => {
      files.delete('generation_config.json');
      endsLater(files);
    }),
    [2, 0],
  );
});

test('the chat template is taken from wherever the folder keeps it', async () => {
  const template = async (name: string, text: string) => {
    const files = randomCheckpoint(small);
    files.set(name, new TextEncoder().encode(text));
    return (await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' })).tokenizer.config.chat_template;
  };
  assert.match(String(await template('other.txt', '')), /im_start/);
  assert.equal(await template('chat_template.jinja', '{{ messages }}'), '{{ messages }}');
  assert.equal(await template('chat_template.json', '{"chat_template":"{{ 1 }}"}'), '{{ 1 }}');
  const files = randomCheckpoint(small);
  editJson('tokenizer_config.json', (value) => delete value.chat_template)(files);
  assert.ok(!('chat_template' in (await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' })).tokenizer.config));
});

test('special tokens of a modality the model has no embedding for are taken out of the tokenizer', async () => {
  const files = randomCheckpoint(small);
  const image = '<image_soft_token>';
  editJson('tokenizer.json', (value) => {
    (value.added_tokens as Json[]).push({ id: 320, content: image, special: true });
    ((value.model as Json).vocab as Json)[image] = 320;
  })(files);
  editJson('tokenizer_config.json', (value) => {
    value.added_tokens_decoder = { 2: { content: '<|im_end|>' }, 320: { content: image } };
  })(files);
  const { tokenizer } = await inspectCheckpoint(memoryCheckpoint(files), { dtype: 'f32' });
  assert.ok(!JSON.stringify(tokenizer).includes(image));
  assert.deepEqual(tokenizer.config.added_tokens_decoder, { 2: { content: '<|im_end|>' } });
});
