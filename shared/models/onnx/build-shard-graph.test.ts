import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBlobs } from '../../../testing/memory-blobs.ts';
import { presetCase } from '../../../testing/model-case.ts';
import type { LanguageManifest } from '../manifest.ts';
import { buildShardGraph, type ShardGraphOptions } from './build-shard-graph.ts';
import { ProtoMessage } from './protobuf.ts';
import { rotaryCache, rotaryFrequencies } from './rotary-cache.ts';

const { manifest } = await presetCase('gemma3', { blobs: new MemoryBlobs(), n: 1 });
const { manifest: packed } = await presetCase('smollm2', { blobs: new MemoryBlobs(), n: 1, dtype: 'q4' });

function graph(more: Partial<ShardGraphOptions> = {}) {
  return buildShardGraph({ manifest, from: 0, to: 7, arithmetic: 'f32', weights: 'dense', context: 64, ...more });
}

test('[M1] a graph is a few kilobytes of structure; its weights stay outside', () => {
  const { model, weights } = graph();
  assert.ok(model.length < 40_000, `${model.length} bytes`);
  assert.ok(weights.reduce((sum, weight) => sum + weight.length, 0) > 20 * model.length);
});

test('the same shard gives the same bytes', () => {
  assert.deepEqual(graph().model, graph().model);
});

test('a shard needs the weights of its own layers, and embedding or head only at the ends', () => {
  const files = (from: number, to: number): string[] => [...new Set(graph({ from, to }).weights.map(({ file }) => file))].sort();
  assert.deepEqual(files(0, 2), ['embedding', 'layer.0', 'layer.1', 'rotary']);
  assert.deepEqual(files(3, 4), ['layer.3', 'rotary']);
  assert.deepEqual(files(6, 7), ['embedding', 'head', 'layer.6', 'rotary'], 'the tied head is the embedding');
});

test('weights of a file lie one after the other, aligned, and never overlap', () => {
  for (const options of [
    {},
    { arithmetic: 'f16' },
    { manifest: packed, to: 5, weights: 'packed' },
  ] satisfies Partial<ShardGraphOptions>[]) {
    const ends = new Map<string, number>();
    for (const { name, file, offset, length } of graph(options).weights) {
      assert.equal(offset % 64, 0, name);
      assert.ok(offset >= (ends.get(file) ?? 0), name);
      ends.set(file, offset + length);
    }
  }
});

test('packed weights stay packed for the GPU and are asked for expanded elsewhere', () => {
  const types = (weights: 'packed' | 'dense'): string[] => {
    const planned = graph({ manifest: packed, to: 5, weights }).weights;
    return [...new Set(planned.filter(({ name }) => name.endsWith('q.weight')).map(({ type, shape }) => `${type} ${shape}`))];
  };
  assert.deepEqual(types('packed'), ['u8 144,3,16']);
  assert.deepEqual(types('dense'), ['f32 72,144']);
});

test('a manifest whose tensors are missing or of another size is refused', () => {
  const broken = (change: (copy: LanguageManifest) => void): LanguageManifest => {
    const copy = structuredClone(manifest);
    change(copy);
    return copy;
  };
  const without = broken((copy) => delete copy.layers[2]!.tensors['q.norm']);
  assert.throws(() => graph({ manifest: without }), { code: 'bad_checkpoint' });
  const wrongSize = broken((copy) => {
    copy.layers[2]!.tensors['up.weight']!.length -= 4;
  });
  assert.throws(() => graph({ manifest: wrongSize }), { code: 'bad_checkpoint' });
  const fewBlobs = broken((copy) => copy.layers.pop());
  assert.throws(() => graph({ manifest: fewBlobs, to: 6 }), { code: 'bad_checkpoint' });
});

test('a range outside the model is a bad request', () => {
  for (const [from, to] of [
    [0, 8],
    [2, 2],
    [-1, 3],
    [0.5, 2],
  ]) {
    assert.throws(() => graph({ from: from!, to: to! }), { code: 'bad_request' });
  }
});

test('rotary padding is cos 1 and sin 0, so zeros stay zeros', () => {
  const { cos, sin } = rotaryCache({ theta: 10_000, scaling: null }, 8, 3);
  assert.equal(cos.length, 3 * 8);
  assert.deepEqual([...cos.subarray(20)], [1, 1, 1, 1]);
  assert.deepEqual([...sin.subarray(20)], [0, 0, 0, 0]);
  assert.equal(cos[16], Math.fround(Math.cos(2)));
  assert.equal(sin[17], Math.fround(Math.sin(2 * 10_000 ** -0.25)));
});

test('llama3 scaling keeps short wavelengths, divides long ones and blends between', () => {
  const scaling = { kind: 'llama3', factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 } as const;
  const plain = rotaryFrequencies({ theta: 500_000, scaling: null }, 64);
  const bent = rotaryFrequencies({ theta: 500_000, scaling }, 64);
  const ratios = bent.map((value, i) => plain[i]! / value);
  assert.equal(ratios[0], 1);
  assert.ok(Math.abs(ratios.at(-1)! - 32) < 1e-9);
  assert.ok(ratios.every((ratio, i) => i === 0 || ratio >= ratios[i - 1]!));
  assert.ok(ratios.some((ratio) => ratio > 1.01 && ratio < 31));
});

test('protobuf varints carry 0, 127, 128, 2^40 and -1', () => {
  const bytes = (value: number): number[] => [...new ProtoMessage().int(1, value).finish()];
  assert.deepEqual(bytes(0), [8, 0]);
  assert.deepEqual(bytes(127), [8, 127]);
  assert.deepEqual(bytes(128), [8, 128, 1]);
  assert.deepEqual(bytes(2 ** 40), [8, 128, 128, 128, 128, 128, 32]);
  assert.deepEqual(bytes(-1), [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
});
