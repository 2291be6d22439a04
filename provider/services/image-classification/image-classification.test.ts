import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import {
  type ImageOrder,
  type ImageSettings,
  imageResultSchema,
  imageSettingsSchema,
} from '../../../shared/services/image-classification/image-schemas.ts';
import { planImageGraph } from '../../../shared/services/image-classification/plan-image-graph.ts';
import { fixtureBytes, fixtureJson } from '../../../testing/fixture-file.ts';
import { loadOrtNode } from '../../runtime/load-ort-node.ts';
import { createGraphService } from '../create-graph-service.ts';
import { imageTensor } from './image-tensor.ts';
import { resizeBilinear } from './resize-bilinear.ts';

const ort = loadOrtNode();
const service = 'image-classification';
const mnist = fixtureBytes('mnist/mnist-8.onnx');
const digits = fixtureBytes('mnist/images-200x28x28.u8');
const digitLabels = fixtureBytes('mnist/labels-200.u8');
const digit = (index: number) => digits.slice(index * 784, (index + 1) * 784);
const digitOrder: ImageOrder = { format: 'gray8', width: 28, height: 28 };

function openMnist(settings: Partial<ImageSettings> = {}) {
  return createGraphService({ ort, service, settings: { scale: 1, ...settings }, graph: mnist, backends: ['wasm'] });
}

test("the MNIST graph gives the reference runtime's logits", async () => {
  const reference = z.object({ logits: z.array(z.array(z.number())) }).parse(fixtureJson('mnist/reference-logits.json'));
  const classifier = await openMnist({ activation: 'none', topK: 10 });
  const session = classifier.openSession();
  for (const [index, logits] of reference.logits.entries()) {
    const { result, meter } = await session.run(digitOrder, digit(index));
    const { labels, backend } = imageResultSchema.parse(result);
    assert.equal(backend, 'wasm');
    assert.deepEqual(meter, { unit: 'image', amount: 1 });
    assert.equal(labels.length, 10);
    // Logits go up to about 10,000: 0.01 is f32 rounding of another order of summation.
    for (const { index: digitClass, score } of labels) assert.ok(Math.abs(score - logits[digitClass]!) < 0.01, `${score}`);
  }
  await classifier.dispose();
});

test('the MNIST graph reads at least 98 % of 200 digits, with names and scores that are probabilities', async () => {
  const names = Array.from({ length: 10 }, (_, value) => `digit ${value}`);
  const classifier = await openMnist({ labels: names, topK: 10 });
  const session = classifier.openSession();
  let right = 0;
  for (let index = 0; index < 200; index++) {
    const { labels } = imageResultSchema.parse((await session.run(digitOrder, digit(index))).result);
    if (labels[0]!.index === digitLabels[index]) right++;
    assert.equal(labels[0]!.label, `digit ${labels[0]!.index}`);
    assert.ok(Math.abs(labels.reduce((sum, { score }) => sum + score, 0) - 1) < 1e-9);
    labels.slice(1).forEach(({ score }, i) => {
      assert.ok(score <= labels[i]!.score);
    });
  }
  assert.ok(right >= 196, `${right} of 200`);
  await classifier.dispose();
});

test('a digit sent larger and in colour is read as well', async () => {
  const classifier = await openMnist({ topK: 1 });
  const session = classifier.openSession();
  let right = 0;
  for (let index = 0; index < 50; index++) {
    const doubled = new Uint8Array(56 * 56 * 3);
    digit(index).forEach((value, pixel) => {
      const x = (pixel % 28) * 2;
      const y = Math.floor(pixel / 28) * 2;
      for (const at of [y * 56 + x, y * 56 + x + 1, (y + 1) * 56 + x, (y + 1) * 56 + x + 1])
        doubled.fill(value, at * 3, at * 3 + 3);
    });
    const { result } = await session.run({ format: 'rgb8', width: 56, height: 56 }, doubled);
    if (imageResultSchema.parse(result).labels[0]!.index === digitLabels[index]) right++;
  }
  assert.ok(right >= 49, `${right} of 50`);
  await classifier.dispose();
});

test('orders that break the rules are refused and the session goes on', async () => {
  const classifier = await openMnist();
  const session = classifier.openSession();
  await assert.rejects(session.run(digitOrder, new Uint8Array(783)), { code: 'bad_request' });
  await assert.rejects(session.run({ ...digitOrder, width: 0 }, new Uint8Array(0)), { code: 'bad_request' });
  await assert.rejects(session.run({ ...digitOrder, surprise: 1 }, digit(0)), { code: 'bad_request' });
  await assert.rejects(session.run({ format: 'png' }, digit(0)), { code: 'bad_request' });
  await assert.rejects(session.run(digitOrder, new Uint8Array(16 * 1024 * 1024 + 1)), { code: 'bad_request' });
  assert.equal(imageResultSchema.parse((await session.run(digitOrder, digit(0))).result).labels[0]!.index, 7);
  session.close();
  await assert.rejects(session.run(digitOrder, digit(0)), { code: 'unknown_session' });
  await classifier.dispose();
});

test('settings that contradict the graph are refused with the reason', async () => {
  await assert.rejects(openMnist({ width: 32 }), /width 32, the graph says 28/);
  await assert.rejects(openMnist({ layout: 'nhwc' }), { code: 'bad_checkpoint' });
  await assert.rejects(openMnist({ labels: ['a', 'b'] }), /2 labels for 10 classes/);
  await assert.rejects(openMnist({ mean: [1, 2, 3] }), /3 values for 1 channel/);
  await assert.rejects(openMnist({ std: [0] }), /std: must not be 0/);
  await assert.rejects(openMnist({ outputName: 'nope' }), /no output "nope"/);
  await assert.rejects(createGraphService({ ort, service: 'nope', settings: {}, graph: mnist, backends: ['wasm'] }), {
    code: 'unsupported',
  });
  const damaged = mnist.slice(0, 20_000);
  await assert.rejects(createGraphService({ ort, service, settings: {}, graph: damaged, backends: ['wasm'] }), {
    code: 'bad_checkpoint',
  });
});

test('shapes are read from the graph in either layout, and what it leaves open must be said', () => {
  const output = { name: 'y', type: 'float32', shape: [null, 1000] };
  const graph = (shape: (number | null)[], type = 'float32') => ({ inputs: [{ name: 'x', type, shape }], outputs: [output] });
  const settings = (given: Partial<ImageSettings> = {}) => imageSettingsSchema.parse(given);
  const nchw = planImageGraph(graph([null, 3, 224, 192]), settings());
  assert.deepEqual([nchw.layout, nchw.channels, nchw.height, nchw.width], ['nchw', 3, 224, 192]);
  const nhwc = planImageGraph(graph([1, 96, 64, 3], 'uint8'), settings());
  assert.deepEqual([nhwc.layout, nhwc.height, nhwc.width, nhwc.inputType], ['nhwc', 96, 64, 'uint8']);
  assert.throws(() => planImageGraph(graph([1, 3, null, null]), settings()), /say "height"/);
  assert.equal(planImageGraph(graph([1, 3, null, null]), settings({ height: 32, width: 16 })).width, 16);
  assert.throws(() => planImageGraph(graph([1, null, 8, null]), settings()), /say "layout"/);
  assert.throws(() => planImageGraph(graph([4, 3, 8, 8]), settings()), /batches of 4/);
  assert.throws(() => planImageGraph(graph([1, 3, 8, 8], 'float16'), settings()), /float32 or uint8/);
});

test('pixels become (byte × scale − mean) / std in the layout of the graph', () => {
  const order: ImageOrder = { format: 'rgb8', width: 2, height: 1 };
  const settings = imageSettingsSchema.parse({ scale: 0.5, mean: [1, 2, 3], std: [1, 2, 4] });
  const plan = { input: 'x', inputType: 'float32', output: 'y', channels: 3, height: 1, width: 2 } as const;
  const pixels = Uint8Array.of(10, 20, 30, 40, 50, 60);
  assert.deepEqual([...imageTensor({ ...plan, layout: 'nchw' }, settings, order, pixels).data], [4, 19, 4, 11.5, 3, 6.75]);
  assert.deepEqual([...imageTensor({ ...plan, layout: 'nhwc' }, settings, order, pixels).data], [4, 4, 3, 19, 11.5, 6.75]);
  assert.deepEqual([...imageTensor({ ...plan, layout: 'nhwc', inputType: 'uint8' }, settings, order, pixels).data], [...pixels]);
  const gray: ImageOrder = { format: 'gray8', width: 2, height: 1 };
  const raw = imageSettingsSchema.parse({ scale: 1 });
  assert.deepEqual([...imageTensor({ ...plan, layout: 'nchw' }, raw, gray, Uint8Array.of(7, 9)).data], [7, 9, 7, 9, 7, 9]);
  const luma = imageTensor({ ...plan, channels: 1, layout: 'nchw' }, raw, order, pixels).data;
  assert.ok(Math.abs(Number(luma[0]) - (0.299 * 10 + 0.587 * 20 + 0.114 * 30)) < 1e-5);
});

test('bilinear resize keeps equal sizes, interpolates between centres and repeats the edge', () => {
  const row = Uint8Array.of(0, 100);
  assert.deepEqual([...resizeBilinear(row, { width: 2, height: 1 }, { width: 2, height: 1 }, 1)], [0, 100]);
  assert.deepEqual([...resizeBilinear(row, { width: 2, height: 1 }, { width: 4, height: 1 }, 1)], [0, 25, 75, 100]);
  assert.deepEqual([...resizeBilinear(row, { width: 1, height: 2 }, { width: 1, height: 1 }, 1)], [50]);
  assert.deepEqual(
    [...resizeBilinear(Uint8Array.of(1, 2, 3), { width: 1, height: 1 }, { width: 2, height: 1 }, 3)],
    [1, 2, 3, 1, 2, 3],
  );
});

const lightGraphs = join(process.env.VESSEL_FIXTURES ?? '', 'onnx', 'light');
const skip =
  process.env.VESSEL_FIXTURES && existsSync(lightGraphs) ? false : 'set VESSEL_FIXTURES to the folder of larger fixtures';

test('nine ImageNet classifiers are served as they come, without any settings', { skip }, async () => {
  const files = readdirSync(lightGraphs).filter((file) => file.endsWith('.onnx'));
  assert.equal(files.length, 9);
  for (const file of files) {
    const graph = new Uint8Array(readFileSync(join(lightGraphs, file)));
    const classifier = await createGraphService({ ort, service, settings: {}, graph, backends: ['wasm'] });
    const pixels = new Uint8Array(100 * 50 * 3).map((_, i) => i % 251);
    const { result } = await classifier.openSession().run({ format: 'rgb8', width: 100, height: 50 }, pixels);
    assert.equal(imageResultSchema.parse(result).labels.length, 5, file);
    await classifier.dispose();
  }
});
