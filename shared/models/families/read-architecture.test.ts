import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readArchitecture } from './read-architecture.ts';

const small = {
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 128,
  vocab_size: 320,
  max_position_embeddings: 512,
};

function refuses(name: string, config: Record<string, unknown>, reason: RegExp): void {
  test(`${name} is refused`, () => {
    assert.throws(() => readArchitecture({ model_type: 'llama', ...small, ...config }), {
      code: 'bad_checkpoint',
      message: reason,
    });
  });
}

// The configurations of published models, as far as they matter here.
const published = {
  'Llama-3.2-1B': {
    model_type: 'llama',
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    vocab_size: 128_256,
    max_position_embeddings: 131_072,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    rope_scaling: {
      factor: 32,
      high_freq_factor: 4,
      low_freq_factor: 1,
      original_max_position_embeddings: 8192,
      rope_type: 'llama3',
    },
    tie_word_embeddings: true,
  },
  'Qwen2.5-0.5B': {
    model_type: 'qwen2',
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    max_window_layers: 24,
    sliding_window: 32_768,
    use_sliding_window: false,
    rope_theta: 1_000_000,
    vocab_size: 151_936,
    tie_word_embeddings: true,
  },
  'gemma-3-270m': {
    _sliding_window_pattern: 6,
    model_type: 'gemma3_text',
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    head_dim: 256,
    hidden_activation: 'gelu_pytorch_tanh',
    hidden_size: 640,
    intermediate_size: 2048,
    num_hidden_layers: 18,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    query_pre_attn_scalar: 256,
    rope_local_base_freq: 10_000,
    rope_scaling: null,
    rope_theta: 1_000_000,
    sliding_window: 512,
    use_bidirectional_attention: false,
    vocab_size: 262_144,
    max_position_embeddings: 32_768,
  },
};

test('Llama 3.2 has a bent rotary and a tied embedding', () => {
  assert.deepEqual(readArchitecture(published['Llama-3.2-1B']), {
    family: 'llama',
    layers: 16,
    hidden: 2048,
    intermediate: 8192,
    heads: 32,
    kvHeads: 8,
    headDim: 64,
    vocab: 128_256,
    context: 131_072,
    normEps: 1e-5,
    activation: 'silu',
    bias: { qkv: false, out: false, mlp: false },
    qkNorm: false,
    sandwichNorms: false,
    embeddingScale: 1,
    attentionScale: 1 / 8,
    tiedEmbedding: true,
    rotaries: [
      {
        theta: 500_000,
        scaling: { kind: 'llama3', factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 },
      },
    ],
    attention: new Array(16).fill({ window: null, rotary: 0 }),
  });
});

test('Qwen2 has biases on q, k and v and ignores a window that is not used', () => {
  const architecture = readArchitecture(published['Qwen2.5-0.5B']);
  assert.deepEqual(architecture.bias, { qkv: true, out: false, mlp: false });
  assert.equal(architecture.headDim, 64);
  assert.equal(architecture.context, 32_768);
  assert.equal(architecture.normEps, 1e-6);
  assert.ok(architecture.attention.every(({ window }) => window === null));
});

test('Qwen2 with use_sliding_window slides from max_window_layers on', () => {
  const windowed = { ...published['Qwen2.5-0.5B'], use_sliding_window: true, sliding_window: 100, max_window_layers: 20 };
  const windows = readArchitecture(windowed).attention.map(({ window }) => window);
  assert.deepEqual(windows, [...new Array(20).fill(null), ...new Array(4).fill(100)]);
});

test('Qwen3 has q and k norms and heads of 128 unless told', () => {
  const architecture = readArchitecture({ model_type: 'qwen3', ...small });
  assert.equal(architecture.headDim, 128);
  assert.ok(architecture.qkNorm);
  assert.deepEqual(architecture.bias, { qkv: false, out: false, mlp: false });
  assert.ok(readArchitecture({ model_type: 'qwen3', ...small, attention_bias: true }).bias.out);
});

test('Gemma 3 sees everything in every sixth layer and slides with its own rotary in the others', () => {
  const architecture = readArchitecture(published['gemma-3-270m']);
  architecture.attention.forEach((attention, layer) => {
    assert.deepEqual(attention, layer % 6 === 5 ? { window: null, rotary: 0 } : { window: 512, rotary: 1 });
  });
  assert.deepEqual(architecture.rotaries, [
    { theta: 1_000_000, scaling: null },
    { theta: 10_000, scaling: null },
  ]);
  assert.equal(architecture.embeddingScale, Math.sqrt(640));
  assert.equal(architecture.attentionScale, 1 / 16);
  assert.ok(architecture.tiedEmbedding && architecture.sandwichNorms && architecture.qkNorm);
  assert.equal(architecture.activation, 'gelu-tanh');
});

test('layer_types go before the pattern', () => {
  const config = {
    ...published['gemma-3-270m'],
    num_hidden_layers: 3,
    layer_types: ['full_attention', 'sliding_attention', 'full_attention'],
  };
  assert.deepEqual(
    readArchitecture(config).attention.map(({ rotary }) => rotary),
    [0, 1, 0],
  );
});

test('a multimodal Gemma 3 is read as its language model, with the defaults it leaves out', () => {
  const architecture = readArchitecture({
    model_type: 'gemma3',
    architectures: ['Gemma3ForConditionalGeneration'],
    text_config: {
      model_type: 'gemma3_text',
      hidden_size: 2560,
      intermediate_size: 10_240,
      num_hidden_layers: 34,
      rope_scaling: { factor: 8, rope_type: 'linear' },
      sliding_window: 1024,
    },
  });
  assert.equal(architecture.vocab, 262_208);
  assert.equal(architecture.heads, 8);
  assert.equal(architecture.kvHeads, 4);
  assert.deepEqual(architecture.rotaries[0], { theta: 1_000_000, scaling: { kind: 'linear', factor: 8 } });
  assert.deepEqual(architecture.rotaries[1], { theta: 10_000, scaling: null });
});

test('rope_parameters say the same as rope_theta and rope_scaling', () => {
  const { rope_theta, rope_scaling, ...llama } = published['Llama-3.2-1B'];
  assert.deepEqual(
    readArchitecture({ ...llama, rope_parameters: { ...rope_scaling, rope_theta } }),
    readArchitecture(published['Llama-3.2-1B']),
  );
  const { rope_theta: globalTheta, rope_local_base_freq, rope_scaling: none, ...gemma } = published['gemma-3-270m'];
  assert.equal(none, null);
  assert.deepEqual(
    readArchitecture({
      ...gemma,
      rope_parameters: {
        full_attention: { rope_type: 'default', rope_theta: globalTheta },
        sliding_attention: { rope_type: 'default', rope_theta: rope_local_base_freq },
      },
    }),
    readArchitecture(published['gemma-3-270m']),
  );
});

test('linear rope scaling is read in its old spelling too', () => {
  const { rotaries } = readArchitecture({ model_type: 'llama', ...small, rope_scaling: { type: 'linear', factor: 2 } });
  assert.deepEqual(rotaries, [{ theta: 10_000, scaling: { kind: 'linear', factor: 2 } }]);
});

test('what llama leaves out is as in transformers', () => {
  const architecture = readArchitecture({ model_type: 'llama', num_key_value_heads: null, head_dim: null });
  const { layers, hidden, intermediate, heads, kvHeads, headDim, vocab, context, normEps, tiedEmbedding } = architecture;
  assert.deepEqual(
    { layers, hidden, intermediate, heads, kvHeads, headDim, vocab, context, normEps, tiedEmbedding },
    {
      layers: 32,
      hidden: 4096,
      intermediate: 11_008,
      heads: 32,
      kvHeads: 32,
      headDim: 128,
      vocab: 32_000,
      context: 2048,
      normEps: 1e-6,
      tiedEmbedding: false,
    },
  );
});

test('Mistral slides everywhere by default and nowhere with a window of null', () => {
  const windows = (config: object) =>
    readArchitecture({ model_type: 'mistral', ...small, ...config }).attention.map(({ window }) => window);
  assert.deepEqual(windows({}), [4096, 4096]);
  assert.deepEqual(windows({ sliding_window: null }), [null, null]);
});

refuses('an unknown family', { model_type: 'mamba' }, /"mamba" are not supported. Supported are: llama/);
refuses('no family', { model_type: undefined }, /type null/);
refuses('a classifier', { architectures: ['LlamaForSequenceClassification'] }, /does not generate text/);
refuses('yarn', { rope_scaling: { rope_type: 'yarn', factor: 4 } }, /"yarn" is not supported/);
refuses('dynamic scaling', { rope_scaling: { type: 'dynamic', factor: 4 } }, /"dynamic" is not supported/);
refuses('linear scaling without a factor', { rope_scaling: { type: 'linear' } }, /lacks "factor"/);
refuses(
  'llama3 scaling without its context',
  { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 } },
  /lacks "original_max_position_embeddings"/,
);
refuses('a rotary over part of the head', { partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/);
refuses('the same in rope_parameters', { rope_parameters: { partial_rotary_factor: 0.25 } }, /partial_rotary_factor 0.25/);
refuses('an exact gelu', { hidden_act: 'gelu' }, /activation "gelu"/);
refuses('attention soft-capping', { attn_logit_softcapping: 50 }, /soft-capping/);
refuses('final soft-capping', { final_logit_softcapping: 30 }, /soft-capping/);
refuses('a mixture of experts', { num_local_experts: 8 }, /mixtures of experts/);
refuses('a quantized checkpoint', { quantization_config: { quant_method: 'gptq' } }, /already quantized/);
refuses('interleaved rotary', { rope_interleaved: true }, /rope_interleaved/);
refuses('bidirectional attention', { use_bidirectional_attention: true }, /use_bidirectional_attention/);
refuses('an odd head', { head_dim: 15 }, /head_dim 15 is odd/);
refuses('heads that do not divide the hidden size', { num_attention_heads: 5, num_key_value_heads: 5 }, /not a multiple/);
refuses('key heads that do not divide the heads', { num_key_value_heads: 3 }, /not a multiple of num_key_value_heads/);
refuses('a size of zero', { hidden_size: 0 }, /"hidden_size" should be a positive whole number, not 0/);
refuses('a size that is text', { hidden_size: '64' }, /not "64"/);
refuses('an absurd size', { num_hidden_layers: 5000 }, /layers is out of range/);
refuses('a flag that is a number', { tie_word_embeddings: 1 }, /"tie_word_embeddings" should be true or false/);
refuses(
  'unknown layer types',
  { model_type: 'qwen3', layer_types: ['linear_attention', 'full_attention'] },
  /"linear_attention"/,
);
refuses('too few layer types', { model_type: 'qwen3', layer_types: ['full_attention'] }, /should list 2 layers/);
refuses(
  'sliding layers without a window',
  { model_type: 'qwen2', layer_types: ['full_attention', 'sliding_attention'] },
  /no "sliding_window"/,
);

const fixtures = process.env.VESSEL_FIXTURES ? join(process.env.VESSEL_FIXTURES, 'configs') : '';
test('every published config.json of the fixtures is understood', {
  skip: existsSync(fixtures) ? false : 'VESSEL_FIXTURES names no folder with configs/',
}, () => {
  for (const model of readdirSync(fixtures)) {
    const config = JSON.parse(readFileSync(join(fixtures, model, 'config.json'), 'utf8'));
    const architecture = readArchitecture(config);
    assert.equal(architecture.layers, config.num_hidden_layers, model);
    assert.equal(architecture.attention.length, config.num_hidden_layers, model);
    assert.equal(architecture.headDim, config.head_dim ?? config.hidden_size / config.num_attention_heads, model);
    assert.ok(architecture.tiedEmbedding, model);
  }
});
