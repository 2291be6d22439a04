/** A language model that exists as a manifest alone: what `FakeRuntime` computes needs no weights. */
import { Sampler } from '../provider/sampling/sampler.ts';
import type { LanguageManifest, WeightBlob } from '../shared/models/manifest.ts';
import { manifestId } from '../shared/models/manifest-id.ts';
import type { AskIds } from '../shared/protocol/asking.ts';
import { type Sampling, samplingSchema } from '../shared/protocol/sampling.ts';
import { FakeRuntime } from './fake-runtime.ts';

export interface TestModel {
  id: string;
  manifest: LanguageManifest;
}

export function languageModel(
  shape: { name?: string; layers?: number; hidden?: number; vocab?: number; context?: number } = {},
): TestModel {
  const { name = 'test-model', layers = 4, hidden = 16, vocab = 64, context = 512 } = shape;
  const manifest: LanguageManifest = {
    format: 'vessel-model/1',
    kind: 'language',
    name,
    dtype: 'f32',
    architecture: {
      family: 'llama',
      layers,
      hidden,
      intermediate: 2 * hidden,
      heads: 2,
      kvHeads: 1,
      headDim: 8,
      vocab,
      context,
      normEps: 1e-5,
      activation: 'silu',
      bias: { qkv: false, out: false, mlp: false },
      qkNorm: false,
      sandwichNorms: false,
      embeddingScale: 1,
      attentionScale: 0.25,
      tiedEmbedding: false,
      rotaries: [{ theta: 10_000, scaling: null }],
      attention: Array.from({ length: layers }, () => ({ window: null, rotary: 0 })),
    },
    stopIds: [],
    embedding: blob('embedding'),
    layers: Array.from({ length: layers }, () => blob('layer')),
    head: blob('head'),
    tokenizer: { cid: `b${'a'.repeat(58)}`, bytes: 1, leaves: [] },
    source: 'test',
  };
  return { id: manifestId(manifest), manifest };
}

/** 64 bytes each, in memory as on disk. */
function blob(name: string): WeightBlob {
  const tensors = { [name]: { dtype: 'f32' as const, shape: [16], offset: 0, length: 64 } };
  return { cid: `b${name.replace(/[^a-z]/g, '').padEnd(58, 'a')}`, bytes: 64, leaves: [], tensors };
}

export function sampling(rest: Partial<Sampling> = {}): Sampling {
  return samplingSchema.parse({ temperature: 0, seed: 1, ...rest });
}

/** What the whole model answers, computed without sessions, hops or frames. */
export async function wholeAnswer(
  { manifest }: TestModel,
  { promptIds, maxTokens, stopIds, sampling: settings }: Omit<AskIds, 'model' | 'signal'>,
): Promise<number[]> {
  const { layers, vocab } = manifest.architecture;
  const runtime = new FakeRuntime({ manifest, from: 0, to: layers });
  const cache = runtime.createCache(promptIds.length + maxTokens);
  const sampler = new Sampler({ vocab, sampling: settings, promptIds });
  const answer: number[] = [];
  let next = [...promptIds];
  while (answer.length < maxTokens) {
    const { values } = await runtime.step(cache, { kind: 'tokens', ids: Int32Array.from(next) });
    const { id } = sampler.sample(values, cache.length);
    if (stopIds.includes(id)) break;
    sampler.accept(id);
    answer.push(id);
    next = [id];
  }
  return answer;
}
