/**
 * Checkpoints with random weights in the layout of Hugging Face, one for every family: real weights of the large families are too
 * big for tests. Deviations are chosen so that activations keep their size through the depth, the layers (not the embedding) decide
 * the answer, attention is neither flat nor a single spike, and logits spread by about 2.
 */
import { bf16Bits, f16Bits } from '../shared/models/float16.ts';
import { byteTokenizer, byteTokenizerConfig, stopIds, tokenizerSize } from './byte-tokenizer.ts';
import type { CheckpointFilesInMemory } from './checkpoint-folder.ts';
import { type RandomNumbers, randomNumbers } from './random-numbers.ts';
import { encodeSafetensors, type TensorToWrite } from './safetensors-writer.ts';

export type RandomFamily = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'gemma3_text';

export interface RandomCheckpointOptions {
  /** `model_type` of config.json. */
  family: RandomFamily;
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  /** At least `tokenizerSize`; rows beyond it are padding, as in real checkpoints. */
  vocab: number;
  tied: boolean;
  seed?: number;
  dtype?: 'F32' | 'F16' | 'BF16';
  /** Three files and an index instead of one file. */
  sharded?: boolean;
  /** Laid over config.json; null removes nothing, it is written as null. */
  config?: Record<string, unknown>;
}

/** Small checkpoints that cover what the families can differ in. Vary one with `{ ...familyPresets.llama, seed: 2 }`. */
export const familyPresets = {
  /** llama3 rope scaling bent within reach of a short prompt, head of its own. */
  llama: preset(
    'llama',
    { layers: 4, hidden: 64, heads: 4, kvHeads: 2, headDim: 16, intermediate: 172, tied: false },
    {
      rope_theta: 10_000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    },
  ),
  /** Seven query heads on one key head, tied, biases everywhere. */
  llamaWide: preset(
    'llama',
    { layers: 3, hidden: 112, heads: 7, kvHeads: 1, headDim: 16, intermediate: 160, tied: true },
    {
      attention_bias: true,
      mlp_bias: true,
    },
  ),
  /** SmolLM2's ratios (9 : 3, tied) with heads of 8 and a hidden size that no block of 32 divides. */
  smollm2: preset(
    'llama',
    { layers: 5, hidden: 72, heads: 9, kvHeads: 3, headDim: 8, intermediate: 192, tied: true },
    {
      rope_theta: 100_000,
    },
  ),
  mistral: preset(
    'mistral',
    { layers: 3, hidden: 64, heads: 4, kvHeads: 2, headDim: 16, intermediate: 128, tied: false },
    {
      sliding_window: 8,
    },
  ),
  /** Biases on q, k, v; the last layers slide. */
  qwen2: preset(
    'qwen2',
    { layers: 4, hidden: 112, heads: 14, kvHeads: 2, headDim: 8, intermediate: 160, tied: true },
    {
      rope_theta: 1_000_000,
      use_sliding_window: true,
      sliding_window: 8,
      max_window_layers: 2,
    },
  ),
  /** q/k norm, heads wider than hidden / heads. */
  qwen3: preset(
    'qwen3',
    { layers: 4, hidden: 64, heads: 4, kvHeads: 2, headDim: 32, intermediate: 192, tied: true },
    {
      rope_theta: 1_000_000,
    },
  ),
  /** q/k norm over heads that need padding (24 to 32). */
  qwen3Padded: preset('qwen3', { layers: 3, hidden: 64, heads: 4, kvHeads: 1, headDim: 24, intermediate: 96, tied: false }, {}),
  /** Seven layers, so that the sixth sees everything; the global rotary is scaled linearly. */
  gemma3: preset(
    'gemma3_text',
    { layers: 7, hidden: 64, heads: 4, kvHeads: 1, headDim: 32, intermediate: 128, tied: true },
    {
      query_pre_attn_scalar: 32,
      sliding_window: 8,
      sliding_window_pattern: 6,
      rope_theta: 1_000_000,
      rope_local_base_freq: 10_000,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    },
  ),
} satisfies Record<string, RandomCheckpointOptions>;

function preset(
  family: RandomFamily,
  shape: Pick<RandomCheckpointOptions, 'layers' | 'hidden' | 'heads' | 'kvHeads' | 'headDim' | 'intermediate' | 'tied'>,
  config: Record<string, unknown>,
): RandomCheckpointOptions {
  return { family, ...shape, vocab: 320, config };
}

/** The files of a checkpoint folder, the same for the same options on every machine. */
export function randomCheckpoint(options: RandomCheckpointOptions): CheckpointFilesInMemory {
  if (options.vocab < tokenizerSize) throw new RangeError(`The tokenizer needs ${tokenizerSize} embeddings`);
  const tensors = randomTensors(options);
  const files: CheckpointFilesInMemory = new Map();
  files.set('config.json', json(configOf(options)));
  files.set('generation_config.json', json({ bos_token_id: 0, eos_token_id: stopIds, pad_token_id: 0 }));
  files.set('tokenizer.json', json(byteTokenizer()));
  files.set('tokenizer_config.json', json(byteTokenizerConfig()));
  if (!options.sharded) return files.set('model.safetensors', encodeSafetensors(tensors));

  const shards = 3;
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const name = `model-${String(shard + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    const part = tensors.slice(
      Math.floor((shard * tensors.length) / shards),
      Math.floor(((shard + 1) * tensors.length) / shards),
    );
    for (const tensor of part) weightMap[tensor.name] = name;
    files.set(name, encodeSafetensors(part));
  }
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  return files.set('model.safetensors.index.json', json({ metadata: { total_size: totalBytes }, weight_map: weightMap }));
}

function configOf(options: RandomCheckpointOptions): object {
  const isGemma = options.family === 'gemma3_text';
  return {
    architectures: [isGemma ? 'Gemma3ForCausalLM' : `${options.family[0]!.toUpperCase()}${options.family.slice(1)}ForCausalLM`],
    model_type: options.family,
    hidden_size: options.hidden,
    num_hidden_layers: options.layers,
    num_attention_heads: options.heads,
    num_key_value_heads: options.kvHeads,
    head_dim: options.headDim,
    intermediate_size: options.intermediate,
    vocab_size: options.vocab,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    [isGemma ? 'hidden_activation' : 'hidden_act']: isGemma ? 'gelu_pytorch_tanh' : 'silu',
    tie_word_embeddings: options.tied,
    bos_token_id: 0,
    eos_token_id: 2,
    ...options.config,
  };
}

function randomTensors(options: RandomCheckpointOptions): TensorToWrite[] {
  const { family, layers, hidden, heads, kvHeads, headDim, intermediate, vocab, tied, config, dtype = 'F32' } = options;
  const isGemma = family === 'gemma3_text';
  const hasQkNorm = isGemma || family === 'qwen3';
  const hasQkvBias = family === 'qwen2' || config?.attention_bias === true;
  const hasOutBias = family !== 'qwen2' && config?.attention_bias === true;
  const hasMlpBias = config?.mlp_bias === true;
  const random = randomNumbers(options.seed ?? 1);
  const tensors: TensorToWrite[] = [];
  const add = (name: string, shape: number[], deviation: number, mean = 0) => {
    const count = shape.reduce((product, n) => product * n, 1);
    tensors.push({ name, dtype, shape, bytes: gaussians(random, count, mean, deviation, dtype) });
  };
  /** Keeps the size of what it maps, times `gain`. */
  const linear = (name: string, outputs: number, inputs: number, gain: number, bias: boolean) => {
    add(`${name}.weight`, [outputs, inputs], gain / Math.sqrt(inputs));
    if (bias) add(`${name}.bias`, [outputs], 0.2);
  };
  /** Norm weights around `mean`; Gemma stores their distance from 1. */
  const norm = (name: string, size: number, mean = 1) => add(`${name}.weight`, [size], 0.15 * mean, isGemma ? mean - 1 : mean);

  // A tied head favours the token that was just read, by what the residual stream keeps of its embedding: the layers must outweigh
  // it, or every answer would repeat one token. Gemma's embedding is scaled by sqrt(hidden) on top: it gets less.
  const boost = tied && !isGemma ? 2.2 : 1;
  add('model.embed_tokens.weight', [vocab, hidden], (isGemma ? 1 : 2.4) / Math.sqrt(hidden));
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    norm(`${prefix}input_layernorm`, hidden);
    linear(`${prefix}self_attn.q_proj`, heads * headDim, hidden, 1.4, hasQkvBias);
    linear(`${prefix}self_attn.k_proj`, kvHeads * headDim, hidden, 1.4, hasQkvBias);
    linear(`${prefix}self_attn.v_proj`, kvHeads * headDim, hidden, 1, hasQkvBias);
    linear(`${prefix}self_attn.o_proj`, hidden, heads * headDim, 1.2 * boost, hasOutBias);
    if (hasQkNorm) {
      norm(`${prefix}self_attn.q_norm`, headDim, 1.3);
      norm(`${prefix}self_attn.k_norm`, headDim, 1.3);
    }
    norm(`${prefix}post_attention_layernorm`, hidden, isGemma ? 3 : 1);
    if (isGemma) norm(`${prefix}pre_feedforward_layernorm`, hidden);
    linear(`${prefix}mlp.gate_proj`, intermediate, hidden, 1.4, hasMlpBias);
    linear(`${prefix}mlp.up_proj`, intermediate, hidden, 1.2, hasMlpBias);
    linear(`${prefix}mlp.down_proj`, hidden, intermediate, boost, hasMlpBias);
    if (isGemma) norm(`${prefix}post_feedforward_layernorm`, hidden, 3);
  }
  norm('model.norm', hidden);
  if (!tied) add('lm_head.weight', [vocab, hidden], 2.4 / Math.sqrt(hidden));
  return tensors;
}

function gaussians(
  random: RandomNumbers,
  count: number,
  mean: number,
  deviation: number,
  dtype: 'F32' | 'F16' | 'BF16',
): Uint8Array {
  const values = Float32Array.from({ length: count }, () => mean + deviation * random.gaussian());
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  return new Uint8Array(Uint16Array.from(values, dtype === 'F16' ? f16Bits : bf16Bits).buffer);
}

function json(value: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value, null, 2));
}
