/** Qwen2 and Qwen2.5 (biases on q, k and v) and Qwen3 (norms on q and k, head size apart from hidden / heads). */
import type { Architecture, LayerAttention } from '../architecture.ts';
import { type FamilyDefaults, readDimensions, readLayerKinds, windowsOf } from './common.ts';
import { countOf, flagOf, type Json } from './config-reader.ts';
import { rotaryOf } from './rotary.ts';

const defaults: FamilyDefaults = {
  vocab: 151_936,
  hidden: 4096,
  intermediate: 22_016,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  headDim: null,
  context: 32_768,
  tied: false,
};

export function readQwen2(config: Json): Architecture {
  const dimensions = readDimensions(config, defaults);
  return {
    family: 'qwen2',
    ...dimensions,
    bias: { qkv: true, out: false, mlp: false },
    qkNorm: false,
    sandwichNorms: false,
    embeddingScale: 1,
    attentionScale: dimensions.headDim ** -0.5,
    rotaries: [rotaryOf(config, 10_000)],
    attention: windowedFrom(config, dimensions.layers),
  };
}

export function readQwen3(config: Json): Architecture {
  const dimensions = readDimensions(config, { ...defaults, headDim: 128 });
  const bias = flagOf(config, 'attention_bias', false);
  return {
    family: 'qwen3',
    ...dimensions,
    bias: { qkv: bias, out: bias, mlp: false },
    qkNorm: true,
    sandwichNorms: false,
    embeddingScale: 1,
    attentionScale: dimensions.headDim ** -0.5,
    rotaries: [rotaryOf(config, 10_000)],
    attention: windowedFrom(config, dimensions.layers),
  };
}

/** With `use_sliding_window`, the layers from `max_window_layers` on slide; `sliding_window` alone means nothing. */
function windowedFrom(config: Json, layers: number): LayerAttention[] {
  const window =
    flagOf(config, 'use_sliding_window', false) && config.sliding_window !== null
      ? countOf(config, 'sliding_window', 4096)
      : null;
  const firstSliding = config.max_window_layers === 0 ? 0 : countOf(config, 'max_window_layers', 28);
  const kinds = readLayerKinds(config, layers, (layer) =>
    window !== null && layer >= firstSliding ? 'sliding_attention' : 'full_attention',
  );
  return windowsOf(kinds, window);
}
