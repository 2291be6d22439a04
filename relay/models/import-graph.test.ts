import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manifestSchema } from '../../shared/models/manifest.ts';
import { manifestId } from '../../shared/models/manifest-id.ts';
import { ProtoMessage } from '../../shared/models/onnx/protobuf.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { type GraphImport, importGraph } from './import-graph.ts';
import { readOnnxFile } from './read-onnx-file.ts';

const mnist = fixtureBytes('mnist/mnist-8.onnx');
const silero = fixtureBytes('silero/silero_vad_16k_op15.onnx');
const digits: GraphImport = { name: 'digits', service: 'image-classification', settings: { scale: 1 }, origin: 'ONNX model zoo' };

async function refuses(bytes: Uint8Array<ArrayBuffer>, what: Partial<GraphImport>, expected: object | RegExp): Promise<void> {
  const blobs = new MemoryBlobs();
  await assert.rejects(importGraph(bytes, { ...digits, ...what }, blobs), expected);
  assert.equal(blobs.blobs.size, 0, 'nothing is stored');
}

test('inputs and outputs are read from real files, weights listed among the inputs left out', () => {
  const read = readOnnxFile(mnist);
  assert.equal(read.opset, 8);
  assert.deepEqual(read.inputs, [{ name: 'Input3', type: 'float32', shape: [1, 1, 28, 28] }]);
  assert.deepEqual(read.outputs, [{ name: 'Plus214_Output_0', type: 'float32', shape: [1, 10] }]);
  const voice = readOnnxFile(silero);
  assert.equal(voice.opset, 15);
  assert.deepEqual(voice.inputs, [
    { name: 'input', type: 'float32', shape: [null, null] },
    { name: 'state', type: 'float32', shape: [2, null, 128] },
    { name: 'sr', type: 'int64', shape: [] },
  ]);
});

test('a graph is published with its defaults written out, as a manifest that parses and has an id', async () => {
  const blobs = new MemoryBlobs();
  const { manifest } = await importGraph(mnist, digits, blobs);
  assert.deepEqual(manifestSchema.parse(manifest), manifest);
  assert.equal(manifest.settings.topK, 5);
  assert.equal(manifest.settings.scale, 1);
  assert.deepEqual(await blobs.read(manifest.graph.cid, 0, mnist.length), mnist);
  assert.match(manifestId(manifest), /^b/);
  const voice = await importGraph(silero, { ...digits, service: 'voice-activity', settings: {} }, blobs);
  assert.equal(voice.manifest.settings.chunkSamples, 512);
});

test('a file cut anywhere is refused, and so is what is no ONNX file', async () => {
  for (let length = 0; length < mnist.length; length += 97) await refuses(mnist.slice(0, length), {}, { code: 'bad_checkpoint' });
  await refuses(mnist.slice(0, mnist.length - 1), {}, { code: 'bad_checkpoint' });
  await refuses(new TextEncoder().encode('<!doctype html><title>Not found</title>'), {}, { code: 'bad_checkpoint' });
  await refuses(new Uint8Array(1000), {}, { code: 'bad_checkpoint' });
});

test('damaged bytes never end in anything but a refusal or a manifest', async () => {
  const blobs = new MemoryBlobs();
  // A fixed sequence of places and values (a linear congruential generator).
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
  for (let round = 0; round < 300; round++) {
    const damaged = mnist.slice();
    for (let i = 0; i < 4; i++) damaged[next(damaged.length)] = next(256);
    await importGraph(damaged, digits, blobs).catch((error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && error.code === 'bad_checkpoint', String(error));
    });
  }
});

test('settings that do not fit are refused with the reason', async () => {
  await refuses(mnist, { settings: { topK: 0 } }, /topK/);
  await refuses(mnist, { settings: { unknown: 1 } }, { code: 'bad_checkpoint' });
  await refuses(mnist, { settings: { channels: 3 } }, /channels 3, the graph says 1/);
  await refuses(mnist, { service: 'voice-activity', settings: {} }, { code: 'bad_checkpoint' });
  await refuses(silero, {}, /3 inputs/);
  await refuses(mnist, { service: 'nope' }, { code: 'unsupported', message: /image-classification, voice-activity/ });
  await refuses(mnist, { name: '' }, { code: 'bad_checkpoint' });
});

test('weights in another file and operators nobody has are refused by name', async () => {
  const value = (name: string) => new ProtoMessage().string(1, name);
  const model = (node: ProtoMessage, tensor?: ProtoMessage) => {
    const graph = new ProtoMessage().message(1, node).message(11, value('x')).message(12, value('y'));
    if (tensor) graph.message(5, tensor);
    return new ProtoMessage().int(1, 8).message(7, graph).message(8, new ProtoMessage().string(1, '').int(2, 17)).finish();
  };
  const external = new ProtoMessage().string(8, 'conv.weight').int(14, 1);
  await refuses(model(new ProtoMessage().string(4, 'Relu'), external), {}, /"conv.weight" lies in another file/);
  await refuses(model(new ProtoMessage().string(4, 'Secret').string(7, 'acme')), {}, /Operator Secret is of the domain "acme"/);
});
