/** Models that equality tests run on, each with a prompt and what the float64 reference answers to it. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';
import { convertCheckpoint } from '../shared/models/convert-checkpoint.ts';
import type { LanguageManifest, ModelDtype } from '../shared/models/manifest.ts';
import { folderCheckpoint, memoryCheckpoint } from './checkpoint-folder.ts';
import type { MemoryBlobs } from './memory-blobs.ts';
import { familyPresets, type RandomCheckpointOptions, randomCheckpoint } from './random-checkpoint.ts';
import { forwardReference, greedyReference, loadReference } from './reference-forward.ts';
import { roundedWeights } from './rounded-weights.ts';

/** Below this distance between the two best logits, backends may rightly differ (design M5). */
export const smallestMargin = 1e-4;

export interface ModelCase {
  name: string;
  manifest: LanguageManifest;
  prompt: number[];
  /** Greedy continuation by the reference. */
  ids: number[];
  minMargin: number;
  /** Per layer and prompt position, the residual stream after that layer. */
  hidden: Float64Array[][];
  /** After the prompt. */
  logits: Float64Array;
}

export interface CaseOptions {
  blobs: MemoryBlobs;
  dtype?: ModelDtype;
  /** Tokens to generate. */
  n: number;
  /** Positions of the prompt of a random checkpoint. */
  promptLength?: number;
}

export const presetNames = Object.keys(familyPresets) as (keyof typeof familyPresets)[];

/** A random checkpoint; its seed is redrawn until the reference's margin exceeds `smallestMargin`. */
export async function presetCase(preset: keyof typeof familyPresets, options: CaseOptions): Promise<ModelCase> {
  const shape: RandomCheckpointOptions = familyPresets[preset];
  const prompt = Array.from({ length: options.promptLength ?? 24 }, (_, i) => (i * 37 + 11) % shape.vocab);
  for (let seed = 1; ; seed++) {
    const found = await buildCase(preset, memoryCheckpoint(randomCheckpoint({ ...shape, seed })), shape.headDim, prompt, options);
    if (found.minMargin > smallestMargin) return found;
  }
}

export async function stories260K(options: CaseOptions): Promise<ModelCase> {
  const source = folderCheckpoint(inRepository('testing/fixtures/stories260K/hf'));
  return buildCase('stories260K', source, 8, [1, 403, 407, 261, 378], options);
}

/** `sample` counts in reference.json. */
export async function vesselTiny(options: CaseOptions, sample = 2): Promise<ModelCase> {
  const { input_ids: prompt } = (await vesselTinySamples())[sample]!;
  return buildCase('vessel-tiny', folderCheckpoint(inRepository('public/models/vessel-tiny')), 32, prompt, options);
}

/** Greedy ids that another implementation computed in float32. */
export interface PublishedSample {
  input_ids: number[];
  greedy_ids: number[];
}

export async function vesselTinySamples(): Promise<PublishedSample[]> {
  return (await readJson('public/models/vessel-tiny/reference.json')).samples;
}

export async function storiesSamples(): Promise<PublishedSample[]> {
  const { results } = await readJson('testing/fixtures/stories260K/greedy_reference.json');
  return results.map((result: { prompt_ids: number[]; generated_ids: number[] }) => ({
    input_ids: result.prompt_ids,
    greedy_ids: result.generated_ids,
  }));
}

/** Greatest distance between rows put out at a boundary and the reference's, over the reference's root mean square. */
export function boundaryError(found: readonly number[], expected: Float64Array[]): number {
  return relativeError(
    found.slice(0, expected.length * expected[0]!.length),
    expected.flatMap((row) => [...row]),
  );
}

export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs((found[i] ?? Number.NaN) - expected[i]!));
    squares += expected[i]! ** 2;
  }
  return worst / Math.sqrt(squares / expected.length);
}

async function buildCase(
  name: string,
  source: CheckpointSource,
  headDim: number,
  prompt: number[],
  { blobs, dtype = 'f32', n }: CaseOptions,
): Promise<ModelCase> {
  const reference = await loadReference(source, roundedWeights(dtype, headDim));
  const { manifest } = await convertCheckpoint(source, { name, dtype, origin: 'test' }, blobs);
  return { name, manifest, prompt, ...greedyReference(reference, prompt, n), ...forwardReference(reference, prompt) };
}

function inRepository(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

async function readJson(path: string) {
  return JSON.parse(await readFile(inRepository(path), 'utf8'));
}
