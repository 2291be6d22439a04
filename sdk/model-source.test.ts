import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { convertCheckpoint } from '../shared/models/convert-checkpoint.ts';
import type { LanguageManifest } from '../shared/models/manifest.ts';
import { manifestBytes, manifestId } from '../shared/models/manifest-id.ts';
import { memoryCheckpoint } from '../testing/checkpoint-folder.ts';
import { MemoryBlobs } from '../testing/memory-blobs.ts';
import { familyPresets, randomCheckpoint } from '../testing/random-checkpoint.ts';
import { ModelSource } from './model-source.ts';

const blobs = new MemoryBlobs();
let manifest: LanguageManifest;
let url = '';
let damage: 'none' | 'tokenizer' | 'manifest' = 'none';

/** A relay as far as this file needs one: it answers any manifest name with its one model, and may lie. */
const server = createServer(async (request, response) => {
  const path = request.url ?? '';
  if (path.endsWith('/nothing')) return void response.writeHead(404).end();
  if (path.startsWith('/manifests/')) {
    return void response.end(manifestBytes(damage === 'manifest' ? { ...manifest, name: 'another' } : manifest));
  }
  const bytes = await blobs.read(manifest.tokenizer.cid, 0, manifest.tokenizer.bytes);
  if (damage === 'tokenizer') bytes[5]! ^= 1;
  response.end(bytes);
});

before(async () => {
  const checkpoint = memoryCheckpoint(randomCheckpoint({ ...familyPresets.llama, seed: 1 }));
  ({ manifest } = await convertCheckpoint(checkpoint, { name: 'small', dtype: 'f32', origin: 'test' }, blobs));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
after(() => server.close());

test('a model is known by name or by id, with its tokenizer', async () => {
  damage = 'none';
  const byName = await new ModelSource(url).get('small');
  const byId = await new ModelSource(url).get(manifestId(manifest));
  assert.equal(byName.id, byId.id);
  assert.equal(byName.codec.decode(byName.codec.encode('hello', { special: false })), 'hello');
});

test('[MO2] a relay that answers an id with another manifest, or with other tokenizer bytes, is not believed', async () => {
  damage = 'manifest';
  await assert.rejects(new ModelSource(url).get(manifestId(manifest)), { code: 'bad_blob' });
  damage = 'tokenizer';
  await assert.rejects(new ModelSource(url).get('small'), { code: 'bad_blob' });
});

test('an unknown model and a relay that is gone have their own errors, and a failure is not remembered', async () => {
  damage = 'tokenizer';
  const source = new ModelSource(url);
  await assert.rejects(source.get('small'), { code: 'bad_blob' });
  damage = 'none';
  assert.equal((await source.get('small')).manifest.name, 'small');
  await assert.rejects(source.get('nothing'), { code: 'model_not_found' });
  await assert.rejects(new ModelSource('http://127.0.0.1:1').get('small'), { code: 'relay_lost' });
});
