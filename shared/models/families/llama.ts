/** Llama (SmolLM2 included) and Mistral, which is Llama with other defaults and an optional sliding window on every layer. */
import type { Architecture } from '../architecture.ts';
import { readDimensions, windowsOf } from './common.ts';
import { countOf, flagOf, type Json } from './config-reader.ts';
import { rotaryOf } from './rotary.ts';

export function readLlama(config: Json): Architecture {
  const dimensions = readDimensions(config, {
    vocab: 32_000,
    hidden: 4096,
    intermediate: 11_008,
    layers: 32,
    heads: 32,
    kvHeads: null,
    headDim: null,
    context: 2048,
    tied: false,
  });
  const bias = flagOf(config, 'attention_bias', false);
  return {
    family: 'llama',
    ...dimensions,
    bias: { qkv: bias, out: bias, mlp: flagOf(config, 'mlp_bias', false) },
    qkNorm: false,
    sandwichNorms: false,
    embeddingScale: 1,
    attentionScale: dimensions.headDim ** -0.5,
    rotaries: [rotaryOf(config, 10_000)],
    attention: windowsOf(new Array(dimensions.layers).fill('full_attention'), null),
  };
}

export function readMistral(config: Json): Architecture {
  const dimensions = readDimensions(config, {
    vocab: 32_000,
    hidden: 4096,
    intermediate: 14_336,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headDim: null,
    context: 131_072,
    tied: false,
  });
  // Here null says "no window" and an absent key says 4096.
  const window = config.sliding_window === null ? null : countOf(config, 'sliding_window', 4096);
  return {
    family: 'llama',
    ...dimensions,
    bias: { qkv: false, out: false, mlp: false },
    qkNorm: false,
    sandwichNorms: false,
    embeddingScale: 1,
    attentionScale: dimensions.headDim ** -0.5,
    rotaries: [rotaryOf(config, 10_000)],
    attention: windowsOf(new Array(dimensions.layers).fill(window === null ? 'full_attention' : 'sliding_attention'), window),
  };
}
