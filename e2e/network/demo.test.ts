/** `vessel demo`, as a stranger runs it: relay, tabs in Chromium, one question, one JSON object, nothing left. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { presetNames } from '../../testing/model-case.ts';
import { assertDemo, type DemoCase, familyCase, familyTokens, storiesCase, tinyCase, tokensFor } from '../harness/demo.ts';
import { runVessel, tinyFolder, VesselProcess } from '../harness/vessel-process.ts';

const skip = skipWithoutBrowser;
const isFull = process.env.VESSEL_FULL === '1';
const isOnlyInFull = skip || (isFull ? false : 'only with --full');

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vessel-demo-test-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const models: Record<string, () => Promise<DemoCase>> = { 'vessel-tiny': tinyCase, stories260K: storiesCase };
const everyRun = [
  ...[1, 2, 3, 4].flatMap((tabs) => [
    ['vessel-tiny', tabs],
    ['stories260K', tabs],
  ]),
  ['vessel-tiny', 8],
  ['stories260K', 5],
] as [string, number][];
const runs = {
  wasm: [
    ['vessel-tiny', 1],
    ['vessel-tiny', 3],
    ['stories260K', 5],
  ],
  webgpu: [
    ['vessel-tiny', 2],
    ['stories260K', 3],
  ],
} satisfies Record<string, [string, number][]>;

for (const backend of ['wasm', 'webgpu'] as const) {
  const inFull = everyRun.filter(([model, tabs]) => !runs[backend].some(([m, t]) => m === model && t === tabs));
  for (const [list, condition] of [
    [runs[backend], skip],
    [inFull, isOnlyInFull],
  ] as const) {
    for (const [model, tabs] of list) {
      const title = `${model} over ${tabs} tab${tabs === 1 ? '' : 's'} on ${backend} answers with the reference's ids`;
      test(title, { skip: condition }, async () => {
        await assertDemo(await models[model]!(), { backend, tabs, tokens: tokensFor(backend) });
      });
    }
  }
}

for (const preset of presetNames) {
  for (const backend of ['wasm', 'webgpu'] as const) {
    const title = `random weights of ${preset} on ${backend}: in one tab and in as many as it has layers, the ids are the reference's`;
    test(title, { skip: isOnlyInFull }, async () => {
      const question = await familyCase(preset, join(folder, `${preset}-${backend}`));
      for (const tabs of [1, question.layers]) {
        await assertDemo(question, { backend, tabs, tokens: familyTokens, ignoreEos: true });
      }
    });
  }
}

test('a split by hand is kept', { skip }, async () => {
  await assertDemo(await tinyCase(), { backend: 'wasm', tabs: 2, split: [1, 7], tokens: 8 });
});

test('an answer ends at its stop token, which is left out; --ignore-eos goes past it', { skip }, async () => {
  const question = await tinyCase(2);
  const stopped = await assertDemo(question, { backend: 'wasm', tabs: 2, tokens: 30 });
  assert.equal(stopped.text, '12 + 7 = 19.');
  await assertDemo(question, { backend: 'wasm', tabs: 2, tokens: 14, ignoreEos: true });
});

test('--raw reads special tokens in the prompt', { skip }, async () => {
  const { promptIds, ids, ...question } = await tinyCase(2);
  const prompt = `<|im_start|>user\n${question.prompt}<|im_end|>\n<|im_start|>assistant\n`;
  await assertDemo({ ...question, prompt, isRaw: true, promptIds, ids }, { backend: 'wasm', tabs: 1, tokens: 4 });
});

async function assertFails(args: string[], code: number, text: RegExp): Promise<void> {
  const ended = await runVessel(['demo', '--backend', 'wasm', '--json', ...args]);
  assert.equal(ended.code, code, ended.stderr);
  assert.match(ended.stderr, text);
  assert.equal(ended.stdout, '');
  assert.deepEqual(ended.leftovers, []);
}

test('a model that is not here, an odd option, more tabs than layers: each is said, with its exit code', { skip }, async () => {
  await assertFails(['--model', 'no-such-model'], 1, /no-such-model.*\(model_not_found\)/);
  await assertFails(['--model', join(folder, 'nowhere')], 1, /error: .*nowhere/);
  await assertFails(['--model', tinyFolder, '--tabs', '9'], 2, /8 layers/);
  await assertFails(['--model', tinyFolder, '--tabs', '0'], 2, /tabs/);
  await assertFails(['--model', tinyFolder, '--split', '4,5'], 2, /adds up to 9/);
  await assertFails(['--model', tinyFolder, '--backend', 'cpu'], 2, /backend/);
});

test('a damaged checkpoint is refused before a tab opens', { skip }, async () => {
  const damaged = join(folder, 'damaged');
  await mkdir(damaged);
  for (const name of await readdir(tinyFolder)) await copyFile(join(tinyFolder, name), join(damaged, name));
  await truncate(join(damaged, 'model.safetensors'), 1_000_000);
  await assertFails(['--model', damaged], 1, /\(bad_checkpoint\)/);
  await copyFile(join(tinyFolder, 'model.safetensors'), join(damaged, 'model.safetensors'));
  const config = JSON.parse(await readFile(join(damaged, 'config.json'), 'utf8'));
  await writeFile(join(damaged, 'config.json'), JSON.stringify({ ...config, model_type: 'mamba' }));
  await assertFails(['--model', damaged], 1, /mamba.*\(bad_checkpoint\)/);
});

test('a prompt longer than the context is refused with context_exceeded', { skip }, async () => {
  await assertFails(['--model', tinyFolder, '--prompt', 'kite '.repeat(600), '--tabs', '1'], 1, /\(context_exceeded\)/);
});

for (const [moment, seen] of [
  ['while the tabs open', /opening 2 tab/],
  ['while it answers', /layers 4-7 ready/],
] as const) {
  test(`Ctrl-C ${moment} ends everything`, { skip }, async () => {
    const tiny = ['--model', tinyFolder, '--ignore-eos', '--max-tokens', '450'];
    const demo = new VesselProcess(['demo', '--backend', 'wasm', '--json', ...tiny]);
    try {
      await demo.until('it has begun', ({ stderr }) => seen.test(stderr));
      demo.signal('SIGINT');
      const { code, stdout, stderr } = await demo.ended;
      assert.equal(code, 130, stderr);
      assert.match(stderr, /interrupted\n$/);
      assert.equal(stdout, '');
      assert.deepEqual(await demo.leftovers(), []);
    } finally {
      await demo.dispose();
    }
  });
}
