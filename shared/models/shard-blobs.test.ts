import assert from 'node:assert/strict';
import { test } from 'node:test';
import { languageModel } from '../../testing/language-model.ts';
import { canonicalJson } from './canonical-json.ts';
import { rawCid } from './content-id.ts';
import { manifestBytes, manifestId, requireManifest } from './manifest-id.ts';
import { languageShardBlobs } from './shard-blobs.ts';

const { manifest, id } = languageModel({ layers: 3 });
const names = (from: number, to: number, tied = false) => {
  const architecture = { ...manifest.architecture, tiedEmbedding: tied };
  return languageShardBlobs({ ...manifest, architecture }, { from, to }).map(({ tensors }) => Object.keys(tensors)[0]);
};

test('[MO1] a model is called by the content id of its manifest as canonical JSON', () => {
  assert.equal(id, rawCid(new TextEncoder().encode(canonicalJson(manifest))));
  assert.equal(id, manifestId(structuredClone(manifest)));
  assert.notEqual(id, manifestId({ ...manifest, name: 'other' }));
  assert.match(id, /^bafkrei[a-z2-7]{52}$/);
});

test('[MO2] bytes that are not the manifest asked for, or no manifest of this format, are refused with bad_blob', () => {
  const bytes = manifestBytes(manifest);
  assert.deepEqual(requireManifest(bytes, id), manifest);
  assert.throws(() => requireManifest(bytes.with(10, 33), id), { code: 'bad_blob' });
  for (const change of [{ format: 'vessel-model/2' }, { more: 1 }, { kind: 'unknown' }]) {
    const other = new TextEncoder().encode(canonicalJson({ ...manifest, ...change }));
    assert.throws(() => requireManifest(other, rawCid(other)), { code: 'bad_blob' });
  }
  const garbage = Uint8Array.of(1, 2, 3);
  assert.throws(() => requireManifest(garbage, rawCid(garbage)), { code: 'bad_blob' });
});

test('[MO5] a shard needs its layers, the embedding if it is first, the head if it is last, and a tied embedding then too', () => {
  assert.deepEqual(names(0, 3), ['embedding', 'layer', 'layer', 'layer', 'head']);
  assert.deepEqual(names(0, 1), ['embedding', 'layer']);
  assert.deepEqual(names(1, 2), ['layer']);
  assert.deepEqual(names(2, 3), ['layer', 'head']);
  assert.deepEqual(names(2, 3, true), ['embedding', 'layer', 'head']);
  assert.deepEqual(names(0, 3, true), ['embedding', 'layer', 'layer', 'layer', 'head']);
});
