/**
 * Material for verification: models cut into shards, and sessions that honest hops computed on wasm the way providers do (the prompt
 * in chunks, then one position at a time), with every row that crossed a boundary.
 */
import { fileURLToPath } from 'node:url';
import { loadOrtNode } from '../provider/runtime/load-ort-node.ts';
import { createOrtRuntime } from '../provider/runtime/ort-runtime.ts';
import type { ShardRuntime } from '../provider/runtime/shard-runtime.ts';
import { Sampler } from '../provider/sampling/sampler.ts';
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';
import { convertCheckpoint } from '../shared/models/convert-checkpoint.ts';
import type { LanguageManifest, ModelDtype } from '../shared/models/manifest.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { Sampling } from '../shared/protocol/sampling.ts';
import { folderCheckpoint, memoryCheckpoint } from './checkpoint-folder.ts';
import { sampling } from './language-model.ts';
import type { MemoryBlobs } from './memory-blobs.ts';
import { storiesSamples, vesselTinySamples } from './model-case.ts';
import { familyPresets, type RandomCheckpointOptions, randomCheckpoint } from './random-checkpoint.ts';
import { type RandomNumbers, randomNumbers } from './random-numbers.ts';

export interface AuditModel {
  name: string;
  source: CheckpointSource;
  /** Token ids of text that the model was made for; empty for random weights. */
  corpus: number[];
}

export interface Subject {
  model: AuditModel;
  manifest: LanguageManifest;
  blobs: MemoryBlobs;
  /** [0, …, layers] */
  cuts: number[];
}

/** One session as its honest hops computed it. */
export interface SessionRecord {
  /** Prompt and answer; the last one was drawn and never computed. */
  ids: number[];
  promptLength: number;
  sampling: Sampling;
  /** Per inner boundary, row-major [ids.length - 1, hidden]. */
  boundaries: Float32Array[];
  /** Per draw, from the end of the prompt on, [vocab]. */
  logits: Float32Array[];
}

export async function auditModel(name: 'vessel-tiny' | 'stories260K' | keyof typeof familyPresets): Promise<AuditModel> {
  if (name === 'vessel-tiny')
    return {
      name,
      source: folderCheckpoint(inRepository('public/models/vessel-tiny')),
      corpus: corpusOf(await vesselTinySamples()),
    };
  if (name === 'stories260K')
    return {
      name,
      source: folderCheckpoint(inRepository('testing/fixtures/stories260K/hf')),
      corpus: corpusOf(await storiesSamples()),
    };
  const preset: RandomCheckpointOptions = familyPresets[name];
  return { name, source: memoryCheckpoint(randomCheckpoint(preset)), corpus: [] };
}

export async function convertModel(model: AuditModel, dtype: ModelDtype, blobs: MemoryBlobs): Promise<LanguageManifest> {
  const { manifest } = await convertCheckpoint(model.source, { name: model.name, dtype, origin: 'test' }, blobs);
  return manifest;
}

/** A shard on wasm in this process. */
export function wasmShard(
  { blobs }: Pick<Subject, 'blobs'>,
  shard: { manifest: LanguageManifest; from: number; to: number },
  arithmetic: 'f32' | 'f16' = 'f32',
): Promise<ShardRuntime> {
  const context = Math.min(512, shard.manifest.architecture.context);
  return createOrtRuntime({ ort: loadOrtNode(), backend: 'wasm', shard, blobs, context, arithmetic });
}

export async function loadHops(subject: Subject): Promise<ShardRuntime[]> {
  const { manifest, cuts } = subject;
  const hops: ShardRuntime[] = [];
  for (let hop = 0; hop + 1 < cuts.length; hop++)
    hops.push(await wasmShard(subject, { manifest, from: cuts[hop]!, to: cuts[hop + 1]! }));
  return hops;
}

/** Text of the model's corpus or ids at random, `length` of them. */
export function randomPrompt({ model, manifest }: Subject, random: RandomNumbers, length: number): number[] {
  const { corpus } = model;
  if (corpus.length > 0 && random.uniform() < 0.6) {
    const start = Math.floor(random.uniform() * corpus.length);
    return Array.from({ length }, (_, i) => corpus[(start + i) % corpus.length]!);
  }
  return Array.from({ length }, () => Math.floor(random.uniform() * manifest.architecture.vocab));
}

/** Settings as askers send them, from greedy to hot, with and without cuts and penalties. */
export function randomSampling(random: RandomNumbers): Sampling {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.uniform() * values.length)]!;
  return sampling({
    temperature: pick([0, 0.7, 1, 1, 1.3]),
    topP: pick([1, 1, 0.9]),
    topK: pick([0, 0, 40]),
    minP: pick([0, 0, 0.05]),
    repetitionPenalty: pick([1, 1, 1.1]),
    frequencyPenalty: pick([0, 0, 0.3]),
    seed: Math.floor(random.uniform() * 2 ** 40),
  });
}

/** Runs a whole session; stop ids are tokens like others, so that it gets as long as asked for. */
export async function recordSession(
  hops: readonly ShardRuntime[],
  request: { prompt: number[]; answer: number; sampling: Sampling },
): Promise<SessionRecord> {
  const { prompt, answer, sampling: settings } = request;
  const { vocab, hidden } = hops[0]!.shard.manifest.architecture;
  const positions = prompt.length + answer - 1;
  const caches = hops.map((hop) => hop.createCache(positions));
  const boundaries = hops.slice(1).map(() => new Float32Array(positions * hidden));
  const sampler = new Sampler({ vocab, sampling: settings, promptIds: prompt });
  const ids = [...prompt];
  const logits: Float32Array[] = [];
  let at = 0;
  while (at < positions) {
    const end = at < prompt.length ? Math.min(at + limits.prefillChunk, prompt.length) : at + 1;
    let values: Float32Array = new Float32Array();
    for (const [index, hop] of hops.entries()) {
      const input =
        index === 0
          ? ({ kind: 'tokens', ids: Int32Array.from(ids.slice(at, end)) } as const)
          : ({ kind: 'hidden', values } as const);
      values = (await hop.step(caches[index]!, input)).values;
      if (index < boundaries.length) boundaries[index]!.set(values, at * hidden);
    }
    at = end;
    if (at < prompt.length) continue;
    logits.push(Float32Array.from(values));
    const { id } = sampler.sample(values, at);
    sampler.accept(id);
    ids.push(id);
  }
  for (const cache of caches) cache.release();
  return { ids, promptLength: prompt.length, sampling: settings, boundaries, logits };
}

export async function recordSessions(
  subject: Subject,
  hops: readonly ShardRuntime[],
  options: { count: number; seed: number; answer: number },
): Promise<SessionRecord[]> {
  const random = randomNumbers(options.seed);
  const sessions: SessionRecord[] = [];
  for (let index = 0; index < options.count; index++) {
    const prompt = randomPrompt(subject, random, 24 + Math.floor(random.uniform() * 104));
    sessions.push(await recordSession(hops, { prompt, answer: options.answer, sampling: randomSampling(random) }));
  }
  return sessions;
}

function corpusOf(samples: readonly { input_ids: number[]; greedy_ids: number[] }[]): number[] {
  return samples.flatMap(({ input_ids, greedy_ids }) => [...input_ids, ...greedy_ids]);
}

function inRepository(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
