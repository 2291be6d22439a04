/** `vessel demo --json` and what its answer must be. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DemoReport } from '../../relay/cli/demo-question.ts';
import { byteIds } from '../../testing/byte-codec.ts';
import { stopIds } from '../../testing/byte-tokenizer.ts';
import { memoryCheckpoint, writeCheckpoint } from '../../testing/checkpoint-folder.ts';
import { smallestMargin } from '../../testing/model-case.ts';
import { familyPresets, type RandomCheckpointOptions, randomCheckpoint } from '../../testing/random-checkpoint.ts';
import { greedyReference, loadReference } from '../../testing/reference-forward.ts';
import { evenSplit } from './even-split.ts';
import { repository, runVessel, storiesFolder, tinyFolder } from './vessel-process.ts';

export interface DemoCase {
  /** Folder or id. */
  model: string;
  layers: number;
  prompt: string;
  isRaw: boolean;
  promptIds: number[];
  /** Greedy ids of the reference, as many as it has. */
  ids: number[];
  stopIds: number[];
}

/** Tokens asked of checkpoints with random weights. */
export const familyTokens = 16;
const isFull = process.env.VESSEL_FULL === '1';

/** SwiftShader's first step of a shape takes seconds: the default run asks for few tokens of it. */
export function tokensFor(backend: 'webgpu' | 'wasm'): number {
  if (isFull) return backend === 'webgpu' ? 16 : 48;
  return backend === 'webgpu' ? 8 : 24;
}

/** `sample` counts in reference.json; chat prompts are given as their user message, plain ones raw. */
export async function tinyCase(sample = 0): Promise<DemoCase> {
  const { samples, stop_ids } = JSON.parse(await readFile(join(tinyFolder, 'reference.json'), 'utf8'));
  const { kind, prompt, input_ids, greedy_ids } = samples[sample];
  const user = /^<\|im_start\|>user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant\n$/s.exec(prompt)?.[1];
  return {
    model: tinyFolder,
    layers: 8,
    prompt: kind === 'chat' && user !== undefined ? user : prompt,
    isRaw: user === undefined,
    promptIds: input_ids,
    ids: greedy_ids,
    stopIds: stop_ids,
  };
}

export async function storiesCase(sample = 0): Promise<DemoCase> {
  const path = join(repository, 'testing/fixtures/stories260K/greedy_reference.json');
  const { prompt, prompt_ids, generated_ids } = JSON.parse(await readFile(path, 'utf8')).results[sample];
  return { model: storiesFolder, layers: 5, prompt, isRaw: true, promptIds: prompt_ids, ids: generated_ids, stopIds: [1, 2] };
}

/** Longer than the presets' sliding windows; digits are what their tokenizer never merges. */
const digits = '3141592653589793238462643383279502884197';

/** A checkpoint with random weights, written to `folder`; its greedy ids come from the float64 reference. */
export async function familyCase(preset: keyof typeof familyPresets, folder: string): Promise<DemoCase> {
  const shape: RandomCheckpointOptions = familyPresets[preset];
  const promptIds = byteIds(digits);
  for (let seed = 1; ; seed++) {
    const files = randomCheckpoint({ ...shape, seed });
    const { ids, minMargin } = greedyReference(await loadReference(memoryCheckpoint(files)), promptIds, familyTokens);
    // Where two tokens are as good as equal, backends may rightly differ.
    if (minMargin <= smallestMargin) continue;
    await writeCheckpoint(files, folder);
    return { model: folder, layers: shape.layers, prompt: digits, isRaw: true, promptIds, ids, stopIds };
  }
}

export interface DemoRun {
  backend: 'webgpu' | 'wasm';
  tabs: number;
  tokens: number;
  split?: number[];
  ignoreEos?: boolean;
}

/** Runs the demo and holds its one JSON object against the case. Returns what else the test may want to look at. */
export async function assertDemo(given: DemoCase, run: DemoRun): Promise<DemoReport> {
  const { backend, tabs, tokens, split, ignoreEos = false } = run;
  const ended = await runVessel([
    ...['demo', '--model', given.model, '--prompt', given.prompt, ...(given.isRaw ? ['--raw'] : [])],
    ...['--backend', backend, '--max-tokens', String(tokens), '--temperature', '0', '--json'],
    ...(split ? ['--split', split.join(',')] : ['--tabs', String(tabs)]),
    ...(ignoreEos ? ['--ignore-eos'] : []),
  ]);
  const said = `${ended.stdout}${ended.stderr}`;
  assert.equal(ended.code, 0, said);
  assert.match(ended.stdout, /^\{.*\}\n$/, 'one line of JSON on standard output');
  assert.deepEqual(ended.leftovers, [], 'nothing stays behind');
  const report = JSON.parse(ended.stdout) as DemoReport;

  const expected = given.ids.slice(0, tokens);
  const stop = ignoreEos ? -1 : expected.findIndex((id) => given.stopIds.includes(id));
  assert.deepEqual(report.promptIds, given.promptIds, said);
  assert.deepEqual(report.tokenIds, stop === -1 ? expected : expected.slice(0, stop), said);
  assert.equal(report.finishReason, stop === -1 ? 'length' : 'stop');
  assert.equal(typeof report.text, 'string');

  const sizes = split ?? evenSplit(given.layers, tabs);
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
  assert.deepEqual(
    report.route.map(({ from, to, backend: on }) => ({ from, to, on })),
    sizes.map((size, i) => ({ from: starts[i]!, to: starts[i]! + size, on: backend })),
  );
  assert.equal(new Set(report.route.map(({ provider }) => provider)).size, sizes.length, 'each hop is a tab of its own');
  for (const { provider, adapter } of report.route) {
    assert.ok(provider.length > 20, provider);
    assert.ok(adapter.length > 0, 'the adapter is named');
  }
  assert.ok(report.firstTokenMs > 0);
  assert.ok(report.tokensPerSecond === null ? report.tokenIds.length < 2 : report.tokensPerSecond > 0);
  assert.ok(sizes.length === 1 ? report.bytesPerTokenPerHop >= 0 : report.bytesPerTokenPerHop > 0);
  assert.equal(typeof report.relayMessagesPerToken, 'number');
  assert.equal(report.failovers, 0);
  return report;
}
