/**
 * What a transformer is, in the numbers the graph builder needs. Every family is described by the same record:
 * families differ in how a checkpoint's `config.json` is read (`families/`), not in how a layer is built.
 */
export type Family = 'llama' | 'qwen2' | 'qwen3' | 'gemma3';

/** Frequencies of one rotary embedding. `linear` divides every frequency; `llama3` bends the long wavelengths. */
export interface Rotary {
  theta: number;
  scaling:
    | null
    | { kind: 'linear'; factor: number }
    | { kind: 'llama3'; factor: number; lowFrequencyFactor: number; highFrequencyFactor: number; originalContext: number };
}

export interface LayerAttention {
  /** Number of keys a query may see, itself included; null sees all. */
  window: number | null;
  /** Index into `Architecture.rotaries`. */
  rotary: number;
}

export interface Architecture {
  family: Family;
  layers: number;
  hidden: number;
  intermediate: number;
  heads: number;
  kvHeads: number;
  /** True head size; blobs and graphs use `paddedHeadDim(headDim)`. */
  headDim: number;
  vocab: number;
  /** Longest sequence in tokens, prompt and answer together. */
  context: number;
  normEps: number;
  activation: 'silu' | 'gelu-tanh';
  bias: { qkv: boolean; out: boolean; mlp: boolean };
  /** RMS norm over each head of q and k before rotary (Qwen3, Gemma 3). */
  qkNorm: boolean;
  /** Norms after attention and after the MLP too, before their residual add (Gemma 3). */
  sandwichNorms: boolean;
  /** Embeddings are multiplied by this (Gemma 3: sqrt(hidden)); otherwise 1. */
  embeddingScale: number;
  /** Attention scores are multiplied by this, usually headDim ** -0.5. */
  attentionScale: number;
  /** The head is the embedding, stored once. */
  tiedEmbedding: boolean;
  rotaries: Rotary[];
  /** One entry per layer. */
  attention: LayerAttention[];
}

/**
 * GroupQueryAttention takes head sizes that are multiples of 16. Each rotary half is padded with zeros to a multiple of 8,
 * so that the halves stay aligned: [half, 0…, half, 0…].
 */
export function paddedHeadDim(headDim: number): number {
  return 2 * Math.ceil(headDim / 2 / 8) * 8;
}
