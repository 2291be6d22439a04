/**
 * Gemma 3, text only. Every sixth layer sees everything; the others slide and have a rotary of their own. A multimodal checkpoint
 * (model_type gemma3) is read as the language model inside it.
 */
import type { Architecture, Rotary } from '../architecture.ts';
import { readDimensions, readLayerKinds } from './common.ts';
import { countOf, type Json, objectOf, positiveOf, refuseConfig } from './config-reader.ts';
import { readRotary } from './rotary.ts';

export function readGemma3(config: Json): Architecture {
  const dimensions = readDimensions(
    config,
    {
      vocab: 262_208,
      hidden: 2304,
      intermediate: 9216,
      layers: 26,
      heads: 8,
      kvHeads: 4,
      headDim: 256,
      context: 131_072,
      tied: true,
    },
    'hidden_activation',
    'gelu_pytorch_tanh',
  );
  const bias = config.attention_bias === true;
  const pattern = countOf(config, 'sliding_window_pattern', null) ?? countOf(config, '_sliding_window_pattern', 6);
  const window = countOf(config, 'sliding_window', 4096);
  const kinds = readLayerKinds(config, dimensions.layers, (layer) =>
    (layer + 1) % pattern ? 'sliding_attention' : 'full_attention',
  );
  return {
    family: 'gemma3',
    ...dimensions,
    bias: { qkv: bias, out: bias, mlp: false },
    qkNorm: true,
    sandwichNorms: true,
    embeddingScale: Math.sqrt(dimensions.hidden),
    attentionScale: positiveOf(config, 'query_pre_attn_scalar', 256) ** -0.5,
    rotaries: readRotaries(config),
    attention: kinds.map((kind) => (kind === 'full_attention' ? { window: null, rotary: 0 } : { window, rotary: 1 })),
  };
}

/** The text part of a multimodal config. */
export function readNestedGemma3(config: Json): Architecture {
  const text = objectOf(config, 'text_config');
  if (!text) throw refuseConfig('model_type gemma3 has no "text_config".');
  return readGemma3({
    tie_word_embeddings: config.tie_word_embeddings,
    quantization_config: config.quantization_config,
    ...text,
  });
}

/** [global, local]. `rope_scaling` is for the global one alone. */
function readRotaries(config: Json): Rotary[] {
  const globalTheta = positiveOf(config, 'rope_theta', 1_000_000);
  const localTheta = positiveOf(config, 'rope_local_base_freq', 10_000);
  const both = objectOf(config, 'rope_parameters');
  if (!both) return [readRotary(objectOf(config, 'rope_scaling') ?? {}, globalTheta), { theta: localTheta, scaling: null }];
  for (const key of Object.keys(both)) {
    if (key !== 'full_attention' && key !== 'sliding_attention') {
      throw refuseConfig(`"rope_parameters" of Gemma 3 should have full_attention and sliding_attention, not "${key}".`);
    }
  }
  return [
    readRotary(objectOf(both, 'full_attention') ?? {}, globalTheta),
    readRotary(objectOf(both, 'sliding_attention') ?? {}, localTheta),
  ];
}
