import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FileStore } from './file-store.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vessel-store-'));
});
after(() => rm(folder, { recursive: true }));

test('a store that was never written reads as null, and makes its folder when it is', async () => {
  const path = join(folder, 'new', 'keys.json');
  const store = new FileStore(path);
  assert.equal(await store.read(), null);
  await store.write('text');
  assert.equal(await new FileStore(path).read(), 'text');
});

test('of many writes at once the last one asked for stays, and nothing is left beside it', async () => {
  const path = join(folder, 'many', 'keys.json');
  const store = new FileStore(path);
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.write(`text ${index}`)));
  assert.equal(await readFile(path, 'utf8'), 'text 19');
  assert.deepEqual(await readdir(join(folder, 'many')), ['keys.json']);
});

test('only the owner may read the file', async () => {
  const path = join(folder, 'secret.json');
  await new FileStore(path).write('text');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a write that fails says so and does not stop the next one', async () => {
  const path = join(folder, 'blocked');
  const inside = new FileStore(join(path, 'keys.json'));
  await new FileStore(path).write('a file where a folder is needed');
  await assert.rejects(inside.write('text'));
  await rm(path);
  await inside.write('text');
  assert.equal(await inside.read(), 'text');
});
