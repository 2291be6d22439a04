import { blobRefOf } from '../../shared/models/content-id.ts';
import { readArchitecture } from '../../shared/models/families/read-architecture.ts';
import { type GraphManifest, type LanguageManifest, manifestFormat } from '../../shared/models/manifest.ts';

const blob = blobRefOf(new Uint8Array(100));
const weights = { ...blob, tensors: { 'norm.final': { dtype: 'f32' as const, shape: [16], offset: 0, length: 64 } } };

export const languageManifest: LanguageManifest = {
  format: manifestFormat,
  kind: 'language',
  name: 'small',
  dtype: 'f32',
  architecture: readArchitecture({
    model_type: 'llama',
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 32,
    vocab_size: 300,
    rope_scaling: { rope_type: 'linear', factor: 2 },
  }),
  stopIds: [2],
  embedding: weights,
  layers: [weights, weights],
  head: weights,
  tokenizer: blob,
  source: 'a folder',
};

export const graphManifest: GraphManifest = {
  format: manifestFormat,
  kind: 'graph',
  name: 'digits',
  service: 'image-classification',
  graph: blob,
  settings: { scale: 1, labels: ['0', '1'] },
  source: 'a file',
};
