import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderCheckpoint, memoryCheckpoint } from '../../testing/checkpoint-folder.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { familyPresets, type RandomCheckpointOptions, randomCheckpoint } from '../../testing/random-checkpoint.ts';
import { readTensor } from '../../testing/read-tensor.ts';
import { paddedHeadDim } from './architecture.ts';
import type { CheckpointSource } from './checkpoint-source.ts';
import { convertCheckpoint } from './convert-checkpoint.ts';
import { decodeBf16, decodeF16 } from './float16.ts';
import { languageManifestSchema, type ModelDtype } from './manifest.ts';
import { manifestBytes, manifestId, requireManifest } from './manifest-id.ts';
import { readSafetensorsHeader } from './safetensors.ts';

const options = (dtype: ModelDtype) => ({ name: 'test', dtype, origin: 'random weights' });

/** Converts a random checkpoint; `original` reads its tensors, straight from the file. */
async function convert(preset: RandomCheckpointOptions, dtype: ModelDtype) {
  const source = memoryCheckpoint(randomCheckpoint(preset));
  const blobs = new MemoryBlobs();
  const { manifest, id } = await convertCheckpoint(source, options(dtype), blobs);
  const header = await readSafetensorsHeader(source, 'model.safetensors');
  const original = async (name: string) => {
    const location = header.get(name)!;
    const bytes = await source.read(location.file, location.offset, location.length);
    if (location.dtype === 'F32') return new Float32Array(bytes.slice().buffer);
    const values = new Float32Array(bytes.length / 2);
    (location.dtype === 'F16' ? decodeF16 : decodeBf16)(new Uint16Array(bytes.slice().buffer), values);
    return values;
  };
  return { manifest, id, blobs, original };
}

test('a linear weight is the transpose of the checkpoint’s', async () => {
  const { manifest, blobs, original } = await convert(familyPresets.llama, 'f32');
  const { hidden, intermediate } = manifest.architecture;
  for (const [name, from, outputs, inputs] of [
    ['q.weight', 'self_attn.q_proj', 64, hidden],
    ['o.weight', 'self_attn.o_proj', hidden, 64],
    ['gate.weight', 'mlp.gate_proj', intermediate, hidden],
    ['down.weight', 'mlp.down_proj', hidden, intermediate],
  ] as const) {
    const stored = await readTensor(blobs, manifest.layers[2]!, name);
    const theirs = await original(`model.layers.2.${from}.weight`);
    assert.deepEqual(manifest.layers[2]!.tensors[name]!.shape, [inputs, outputs]);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++) assert.equal(stored[i * outputs + o], theirs[o * inputs + i]);
  }
});

test('embedding and head stay [vocab, hidden]; a tied head is not stored again', async () => {
  const untied = await convert(familyPresets.llama, 'f32');
  assert.deepEqual(
    await readTensor(untied.blobs, untied.manifest.embedding, 'embedding.weight'),
    await untied.original('model.embed_tokens.weight'),
  );
  assert.deepEqual(await readTensor(untied.blobs, untied.manifest.head, 'head.weight'), await untied.original('lm_head.weight'));
  const tied = await convert(familyPresets.smollm2, 'f32');
  assert.deepEqual(Object.keys(tied.manifest.head.tensors), ['norm.final']);
});

test('heads are padded half by half: q, k, v columns, o rows, biases and norms alike', async () => {
  for (const preset of [familyPresets.qwen2, familyPresets.qwen3Padded]) {
    const { manifest, blobs, original } = await convert(preset, 'f32');
    const { heads, kvHeads, headDim, hidden, bias, qkNorm } = manifest.architecture;
    const padded = paddedHeadDim(headDim);
    const layer = manifest.layers[1]!;
    const prefix = 'model.layers.1.self_attn.';
    /** Where value `i` of a padded head comes from, or null in the padding. */
    const origin = (i: number) => {
      const within = i % (padded / 2);
      return within < headDim / 2 ? Math.floor(i / (padded / 2)) * (headDim / 2) + within : null;
    };
    for (const [part, count] of [
      ['q', heads],
      ['k', kvHeads],
      ['v', kvHeads],
    ] as const) {
      const stored = await readTensor(blobs, layer, `${part}.weight`);
      const theirs = await original(`${prefix}${part}_proj.weight`);
      assert.deepEqual(layer.tensors[`${part}.weight`]!.shape, [hidden, count * padded]);
      const storedBias = bias.qkv ? await readTensor(blobs, layer, `${part}.bias`) : null;
      const theirBias = bias.qkv ? await original(`${prefix}${part}_proj.bias`) : null;
      for (let head = 0; head < count; head++) {
        for (let i = 0; i < padded; i++) {
          const from = origin(i);
          for (let input = 0; input < hidden; input++) {
            const expected = from === null ? 0 : theirs[(head * headDim + from) * hidden + input];
            assert.equal(stored[input * count * padded + head * padded + i], expected);
          }
          if (storedBias) assert.equal(storedBias[head * padded + i], from === null ? 0 : theirBias![head * headDim + from]);
        }
      }
    }
    const output = await readTensor(blobs, layer, 'o.weight');
    const theirOutput = await original(`${prefix}o_proj.weight`);
    assert.deepEqual(layer.tensors['o.weight']!.shape, [heads * padded, hidden]);
    for (let row = 0; row < heads * padded; row++) {
      const from = origin(row % padded);
      for (let o = 0; o < hidden; o++) {
        const expected = from === null ? 0 : theirOutput[o * heads * headDim + Math.floor(row / padded) * headDim + from];
        assert.equal(output[row * hidden + o], expected);
      }
    }
    if (qkNorm) {
      const stored = await readTensor(blobs, layer, 'q.norm');
      const theirs = await original(`${prefix}q_norm.weight`);
      for (let i = 0; i < padded; i++) {
        const from = origin(i);
        assert.equal(stored[i], from === null ? 0 : Math.fround(theirs[from]! * Math.sqrt(headDim / padded)));
      }
    }
  }
});

test('Gemma’s norms have their 1 added and sit where the layer uses them', async () => {
  const { manifest, blobs, original } = await convert(familyPresets.gemma3, 'f32');
  for (const [name, from] of [
    ['norm.attention', 'input_layernorm'],
    ['norm.attention-out', 'post_attention_layernorm'],
    ['norm.mlp', 'pre_feedforward_layernorm'],
    ['norm.mlp-out', 'post_feedforward_layernorm'],
    ['q.norm', 'self_attn.q_norm'],
    ['k.norm', 'self_attn.k_norm'],
  ] as const) {
    const theirs = await original(`model.layers.3.${from}.weight`);
    assert.deepEqual(
      await readTensor(blobs, manifest.layers[3]!, name),
      theirs.map((value) => value + 1),
    );
  }
  const final = await original('model.norm.weight');
  assert.deepEqual(
    await readTensor(blobs, manifest.head, 'norm.final'),
    final.map((value) => value + 1),
  );
});

test('f32 keeps 16-bit weights in their own encoding, bit for bit', async () => {
  for (const [encoding, stored] of [
    ['BF16', 'bf16'],
    ['F16', 'f16'],
  ] as const) {
    const { manifest, blobs, original } = await convert({ ...familyPresets.llamaWide, dtype: encoding }, 'f32');
    const layer = manifest.layers[0]!;
    assert.equal(layer.tensors['up.weight']!.dtype, stored);
    assert.equal(manifest.embedding.tensors['embedding.weight']!.dtype, stored);
    for (const name of ['norm.mlp', 'q.bias', 'o.bias', 'down.bias']) assert.equal(layer.tensors[name]!.dtype, 'f32');
    assert.deepEqual(await readTensor(blobs, layer, 'gate.bias'), await original('model.layers.0.mlp.gate_proj.bias'));
    assert.deepEqual(
      (await readTensor(blobs, layer, 'up.weight')).toSorted(),
      (await original('model.layers.0.mlp.up_proj.weight')).toSorted(),
    );
  }
});

test('f16 rounds every dense weight to the nearest half and leaves norms alone', async () => {
  for (const dtype of ['F32', 'BF16', 'F16'] as const) {
    const { manifest, blobs, original } = await convert({ ...familyPresets.llama, dtype }, 'f16');
    const layer = manifest.layers[0]!;
    assert.equal(layer.tensors['v.weight']!.dtype, 'f16');
    assert.equal(layer.tensors['norm.mlp']!.dtype, 'f32');
    const stored = await readTensor(blobs, manifest.head, 'head.weight');
    const theirs = await original('lm_head.weight');
    stored.forEach((value, i) => {
      assert.ok(Math.abs(value - theirs[i]!) <= Math.max(2 ** -11 * Math.abs(theirs[i]!), 2 ** -25));
    });
  }
});

test('q8 and q4 hold their error bounds, padded heads and odd sizes included', async () => {
  for (const [dtype, bound] of [
    ['q8', 0.006],
    ['q4', 0.1],
  ] as const) {
    for (const preset of [familyPresets.smollm2, familyPresets.qwen2, familyPresets.llama]) {
      const { manifest, blobs, original } = await convert({ ...preset, dtype: 'BF16' }, dtype);
      const { hidden, heads, headDim, intermediate, vocab } = manifest.architecture;
      const padded = paddedHeadDim(headDim);
      const place = (i: number) =>
        Math.floor(i / headDim) * padded + (i % headDim < headDim / 2 ? i % headDim : padded / 2 + (i % headDim) - headDim / 2);
      const same = (i: number) => i;
      const layer = manifest.layers[0]!;
      for (const [blob, name, from, rows, columns, rowPlace, columnPlace, width] of [
        [layer, 'q.weight', 'model.layers.0.self_attn.q_proj', heads * headDim, hidden, place, same, hidden],
        [layer, 'o.weight', 'model.layers.0.self_attn.o_proj', hidden, heads * headDim, same, place, heads * padded],
        [layer, 'down.weight', 'model.layers.0.mlp.down_proj', hidden, intermediate, same, same, intermediate],
        [manifest.embedding, 'embedding.weight', 'model.embed_tokens', vocab, hidden, same, same, hidden],
      ] as const) {
        const stored = await readTensor(blobs, blob, name, width);
        const theirs = await original(`${from}.weight`);
        let error = 0;
        let power = 0;
        let paddingPower = stored.reduce((sum, value) => sum + value ** 2, 0);
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < columns; column++) {
            const value = stored[rowPlace(row) * width + columnPlace(column)]!;
            error += (value - theirs[row * columns + column]!) ** 2;
            power += theirs[row * columns + column]! ** 2;
            paddingPower -= value ** 2;
          }
        }
        assert.ok(Math.sqrt(error / power) < bound, `${dtype} ${name}: ${Math.sqrt(error / power)}`);
        assert.ok(Math.abs(paddingPower) < 1e-9 * power, `${dtype} ${name} has padding that is not zero`);
      }
      assert.deepEqual(layer.tensors['q.weight']!.shape, [heads * padded, Math.ceil(hidden / 32), dtype === 'q4' ? 16 : 32]);
      assert.deepEqual(layer.tensors['q.scales']!.shape, [heads * padded, Math.ceil(hidden / 32)]);
      assert.equal(layer.tensors['norm.mlp']!.dtype, 'f32');
    }
  }
});

test('every family converts to a valid manifest, its blobs are what it says, and its tensors are aligned and apart', async () => {
  for (const [name, preset] of Object.entries(familyPresets)) {
    for (const dtype of ['f32', 'f16', 'q8', 'q4'] as const) {
      const { manifest, id, blobs } = await convert(preset, dtype);
      languageManifestSchema.parse(manifest);
      assert.equal(manifest.layers.length, preset.layers, name);
      assert.deepEqual(requireManifest(manifestBytes(manifest), id), manifest);
      for (const blob of [manifest.embedding, ...manifest.layers, manifest.head]) {
        const bytes = blobs.blobs.get(blob.cid)!;
        assert.equal(bytes.length, blob.bytes);
        let end = 0;
        for (const { offset, length, shape, dtype: kind } of Object.values(blob.tensors)) {
          assert.equal(offset % 64, 0);
          assert.ok(offset >= end);
          assert.equal(
            length,
            shape.reduce((product, n) => product * n, { f32: 4, f16: 2, bf16: 2, u8: 1 }[kind]),
          );
          end = offset + length;
        }
        assert.equal(end, blob.bytes);
      }
    }
  }
});

test('several files with an index give the same model as one file', async () => {
  const one = await convert(familyPresets.qwen3, 'q8');
  const source = memoryCheckpoint(randomCheckpoint({ ...familyPresets.qwen3, sharded: true }));
  const { id } = await convertCheckpoint(source, options('q8'), new MemoryBlobs());
  assert.equal(id, one.id);
});

test('the id changes with any byte of the weights and with nothing else', async () => {
  const first = await convert(familyPresets.llama, 'f32');
  assert.equal((await convert(familyPresets.llama, 'f32')).id, first.id);
  assert.notEqual((await convert({ ...familyPresets.llama, seed: 2 }, 'f32')).id, first.id);
  assert.throws(() => requireManifest(manifestBytes(first.manifest).fill(32, 0, 1), first.id), { code: 'bad_blob' });
  const nonsense = new TextEncoder().encode('{"kind":"language"}');
  assert.throws(() => requireManifest(nonsense, manifestId(JSON.parse('{"kind":"language"}'))), { code: 'bad_blob' });
});

test('the tokenizer blob holds both files as one JSON object', async () => {
  const { manifest, blobs } = await convert(familyPresets.llama, 'f32');
  const { tokenizer, config } = JSON.parse(new TextDecoder().decode(blobs.blobs.get(manifest.tokenizer.cid)));
  assert.equal(tokenizer.model.type, 'BPE');
  assert.match(config.chat_template, /im_start/);
});

/** A checkpoint in which one weight of a tensor has other bits. */
function withWeight(preset: RandomCheckpointOptions, name: string, at: number, bits: number): Promise<CheckpointSource> {
  const files = randomCheckpoint(preset);
  const source = memoryCheckpoint(files);
  return readSafetensorsHeader(source, 'model.safetensors').then((header) => {
    const { offset, dtype } = header.get(name)!;
    const view = new DataView(files.get('model.safetensors')!.buffer);
    if (dtype === 'F32') view.setUint32(offset + 4 * at, bits, true);
    else view.setUint16(offset + 2 * at, bits, true);
    return source;
  });
}

const down = 'model.layers.3.mlp.down_proj.weight';
for (const [what, dtype, bits] of [
  ['NaN in f32', 'F32', 0x7fc00000],
  ['infinity in f32', 'F32', 0xff800000],
  ['NaN in f16', 'F16', 0x7e01],
  ['infinity in bf16', 'BF16', 0x7f80],
] as const) {
  test(`${what} is refused with the name of the tensor`, async () => {
    const source = await withWeight({ ...familyPresets.llama, dtype }, down, 777, bits);
    for (const target of ['f32', 'q4'] as const) {
      await assert.rejects(convertCheckpoint(source, options(target), new MemoryBlobs()), {
        code: 'bad_checkpoint',
        message: /model\.layers\.3\.mlp\.down_proj\.weight holds NaN or infinity/,
      });
    }
  });
}

test('a weight beyond the range of a half is refused as f16 and kept as f32', async () => {
  const source = await withWeight(familyPresets.llama, down, 5, 0x477ff000); // 65,520
  await assert.rejects(convertCheckpoint(source, options('f16'), new MemoryBlobs()), {
    code: 'bad_checkpoint',
    message: /down_proj\.weight holds 65520, beyond the range of f16/,
  });
  await convertCheckpoint(source, options('f32'), new MemoryBlobs());
});

test('a weight too large for a scale is refused as q4 and q8', async () => {
  const source = await withWeight(familyPresets.llama, down, 5, 0x4f000000); // 2^31
  for (const dtype of ['q4', 'q8'] as const) {
    await assert.rejects(convertCheckpoint(source, options(dtype), new MemoryBlobs()), {
      code: 'bad_checkpoint',
      message: /down_proj\.weight has weights too large to be quantized/,
    });
  }
});

test('a file that shrinks while it is read is refused', async () => {
  const source = memoryCheckpoint(randomCheckpoint(familyPresets.llama));
  const shrinking: CheckpointSource = {
    ...source,
    read: async (file, offset, length) =>
      (await source.read(file, offset, length)).subarray(0, length > 50_000 ? length - 1 : length),
  };
  await assert.rejects(convertCheckpoint(shrinking, options('f32'), new MemoryBlobs()), {
    code: 'bad_checkpoint',
    message: /became shorter/,
  });
});

test('progress counts every byte of the weights once', async () => {
  const source = memoryCheckpoint(randomCheckpoint(familyPresets.gemma3));
  const heard: [number, number][] = [];
  await convertCheckpoint(
    source,
    { ...options('q4'), onProgress: (done, total) => heard.push([done, total]) },
    new MemoryBlobs(),
  );
  const header = await readSafetensorsHeader(source, 'model.safetensors');
  const total = [...header.values()].reduce((sum, { length }) => sum + length, 0);
  assert.deepEqual(heard[0], [0, total]);
  assert.deepEqual(heard.at(-1), [total, total]);
  assert.ok(heard.every(([done], i) => i === 0 || done > heard[i - 1]![0]));
});

test('an abort ends the conversion without a manifest', async () => {
  const source = memoryCheckpoint(randomCheckpoint(familyPresets.llama));
  const abort = new AbortController();
  const converting = convertCheckpoint(
    source,
    {
      ...options('f32'),
      signal: abort.signal,
      onProgress: (done, total) => done > total / 2 && abort.abort(new Error('enough')),
    },
    new MemoryBlobs(),
  );
  await assert.rejects(converting, /enough/);
});

test('weights are read in pieces of 8 MiB at most, and blobs are stored one by one', async () => {
  const files = randomCheckpoint({ ...familyPresets.llama, vocab: 40_000, layers: 1, tied: true });
  const source = memoryCheckpoint(files);
  const whole = await convertCheckpoint(source, options('f32'), new MemoryBlobs());
  const reads: number[] = [];
  const watched: CheckpointSource = {
    ...source,
    read(file, offset, length) {
      reads.push(length);
      return source.read(file, offset, length);
    },
  };
  const again = await convertCheckpoint(watched, options('f32'), new MemoryBlobs());
  assert.equal(again.id, whole.id);
  assert.equal(Math.max(...reads), 8 << 20);
});

const fixtures = process.env.VESSEL_FIXTURES ? join(process.env.VESSEL_FIXTURES, 'lm') : '';
for (const [name, folder, skip] of [
  ['vessel-tiny', join(import.meta.dirname, '../../public/models/vessel-tiny'), false],
  ['stories260K', join(import.meta.dirname, '../../testing/fixtures/stories260K/hf'), false],
  [
    'stories260K of the fixtures',
    join(fixtures, 'stories260K/hf'),
    existsSync(fixtures) ? false : 'VESSEL_FIXTURES names no folder with lm/',
  ],
] as const) {
  test(`the real checkpoint ${name} converts in every numeric class`, { skip }, async () => {
    for (const dtype of ['f32', 'f16', 'q8', 'q4'] as const) {
      const { manifest } = await convertCheckpoint(folderCheckpoint(folder), options(dtype), new MemoryBlobs());
      assert.equal(manifest.architecture.family, 'llama');
      assert.ok(manifest.stopIds.includes(2));
    }
  });
}
