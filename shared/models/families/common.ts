/** What every family's config.json says in the same words, and the refusals they share. */
import type { Architecture, LayerAttention } from '../architecture.ts';
import { maxLayers } from '../manifest.ts';
import { countOf, flagOf, type Json, positiveOf, refuseConfig } from './config-reader.ts';

/** Defaults of the family's configuration class in Hugging Face transformers. */
export interface FamilyDefaults {
  vocab: number;
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  /** null: as many as heads. */
  kvHeads: number | null;
  /** null: hidden / heads. */
  headDim: number | null;
  context: number;
  tied: boolean;
}

export type Dimensions = Pick<
  Architecture,
  | 'layers'
  | 'hidden'
  | 'intermediate'
  | 'heads'
  | 'kvHeads'
  | 'headDim'
  | 'vocab'
  | 'context'
  | 'normEps'
  | 'activation'
  | 'tiedEmbedding'
>;

export function readDimensions(
  config: Json,
  defaults: FamilyDefaults,
  activationKey = 'hidden_act',
  activation = 'silu',
): Dimensions {
  refuseForeign(config);
  const hidden = countOf(config, 'hidden_size', defaults.hidden);
  const heads = countOf(config, 'num_attention_heads', defaults.heads);
  const kvHeads = countOf(config, 'num_key_value_heads', defaults.kvHeads) ?? heads;
  const headDim = countOf(config, 'head_dim', defaults.headDim) ?? hidden / heads;
  if (!Number.isInteger(headDim)) throw refuseConfig(`hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}.`);
  if (headDim % 2) throw refuseConfig(`head_dim ${headDim} is odd; rotary positions need an even one.`);
  // Lists with an entry per layer are made before the whole architecture is checked.
  const layers = countOf(config, 'num_hidden_layers', defaults.layers);
  if (layers > maxLayers) throw refuseConfig(`layers is out of range (num_hidden_layers ${layers}; at most ${maxLayers}).`);
  if (heads % kvHeads) throw refuseConfig(`num_attention_heads ${heads} is not a multiple of num_key_value_heads ${kvHeads}.`);
  return {
    layers,
    hidden,
    intermediate: countOf(config, 'intermediate_size', defaults.intermediate),
    heads,
    kvHeads,
    headDim,
    vocab: countOf(config, 'vocab_size', defaults.vocab),
    context: countOf(config, 'max_position_embeddings', defaults.context),
    normEps: positiveOf(config, 'rms_norm_eps', 1e-6),
    activation: readActivation(config[activationKey] ?? activation),
    tiedEmbedding: flagOf(config, 'tie_word_embeddings', defaults.tied),
  };
}

function readActivation(name: unknown): Architecture['activation'] {
  if (name === 'silu' || name === 'swish') return 'silu';
  if (name === 'gelu_pytorch_tanh') return 'gelu-tanh';
  throw refuseConfig(`the activation ${JSON.stringify(name)} is not supported; silu and gelu_pytorch_tanh are.`);
}

/** Keys that change what is computed in ways the graph builder has no words for. */
function refuseForeign(config: Json): void {
  if (config.quantization_config != null) {
    throw refuseConfig(
      'the checkpoint is already quantized (quantization_config). Add the original one and choose --dtype q8 or q4.',
    );
  }
  for (const key of ['num_experts', 'num_local_experts', 'n_routed_experts']) {
    if (config[key] != null && config[key] !== 0) throw refuseConfig(`mixtures of experts ("${key}") are not supported.`);
  }
  for (const key of ['attn_logit_softcapping', 'final_logit_softcapping']) {
    if (config[key] != null) throw refuseConfig(`logit soft-capping ("${key}") is not supported.`);
  }
  for (const key of ['use_bidirectional_attention', 'rope_interleaved', 'use_mrope']) {
    if (flagOf(config, key, false)) throw refuseConfig(`"${key}": true is not supported.`);
  }
  const partial = config.partial_rotary_factor ?? 1;
  if (partial !== 1) throw refuseConfig(`partial_rotary_factor ${partial} is not supported; only 1 is.`);
}

export type LayerKind = 'full_attention' | 'sliding_attention';

/** `layer_types` of config.json, or what `otherwise` says of each layer where it is absent. */
export function readLayerKinds(config: Json, layers: number, otherwise: (layer: number) => LayerKind): LayerKind[] {
  const kinds = config.layer_types ?? null;
  if (kinds === null) return Array.from({ length: layers }, (_, layer) => otherwise(layer));
  if (!Array.isArray(kinds) || kinds.length !== layers) {
    throw refuseConfig(`"layer_types" should list ${layers} layers, as num_hidden_layers says.`);
  }
  return kinds.map((kind: unknown) => {
    if (kind === 'full_attention' || kind === 'sliding_attention') return kind;
    throw refuseConfig(`layers of type ${JSON.stringify(kind)} are not supported.`);
  });
}

/** Layers of one rotary, of which the sliding ones see `window` keys. */
export function windowsOf(kinds: LayerKind[], window: number | null): LayerAttention[] {
  return kinds.map((kind) => {
    if (kind === 'full_attention') return { window: null, rotary: 0 };
    if (window === null) throw refuseConfig('it has sliding-window layers but no "sliding_window".');
    return { window, rotary: 0 };
  });
}
