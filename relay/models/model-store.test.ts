import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { GraphManifest } from '../../shared/models/manifest.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { ModelStore } from './model-store.ts';

/** No process has this id: Linux gives ids below 2^22. */
const deadPid = 99_999_999;

async function emptyStore(context: TestContext): Promise<ModelStore> {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-store-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return new ModelStore(folder).open();
}

async function addGraph(store: ModelStore, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<GraphManifest> {
  const adding = await store.startAdding();
  const graph = await adding.put(bytes);
  const manifest: GraphManifest = {
    format: 'vessel-model/1',
    kind: 'graph',
    name,
    service: 'image',
    graph,
    settings: {},
    source: 'test',
  };
  await store.add(manifest);
  await adding.done();
  return manifest;
}

const blobs = (store: ModelStore) => readdir(join(store.folder, 'blobs'));
const pattern = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);
const hasCode = (code: string) => (error: unknown) => error instanceof VesselError && error.code === code;

test('a model is found by name, by id and by the start of its id', async (t) => {
  const store = await emptyStore(t);
  await addGraph(store, 'digits', pattern(100));
  const [model] = await store.list();
  assert.equal((await store.find('digits'))?.id, model!.id);
  assert.equal((await store.find(model!.id))?.id, model!.id);
  assert.equal((await store.find(model!.id.slice(0, 20)))?.id, model!.id);
  assert.equal(await store.find(model!.id.slice(0, 5)), null);
  assert.equal(await store.find('letters'), null);
  await assert.rejects(store.require('letters'), hasCode('model_not_found'));
});

test('blob bytes come back by range, and whole as a file-backed Blob', async (t) => {
  const store = await emptyStore(t);
  const bytes = pattern(3_000_000);
  const { graph } = await addGraph(store, 'digits', bytes);
  assert.deepEqual(await store.readBlob(graph.cid, 1_048_570, 20), bytes.slice(1_048_570, 1_048_590));
  const blob = await store.blob(graph.cid);
  assert.deepEqual(new Uint8Array(await blob!.arrayBuffer()), bytes);
  await assert.rejects(store.readBlob(graph.cid, 2_999_999, 2), hasCode('bad_request'));
  assert.throws(() => store.blobPath('../../secret'), hasCode('bad_request'));
});

test('equal blobs are stored once, and removing a model keeps those another one uses', async (t) => {
  const store = await emptyStore(t);
  await addGraph(store, 'first', pattern(1000));
  await addGraph(store, 'second', pattern(1000));
  await addGraph(store, 'third', pattern(1000, 7));
  assert.equal((await blobs(store)).length, 2);
  assert.equal(await store.remove('first'), 0);
  assert.equal((await blobs(store)).length, 2);
  assert.equal(await store.remove('second'), 1000);
  assert.deepEqual(
    (await store.list()).map(({ manifest }) => manifest.name),
    ['third'],
  );
});

test('adding the same model twice changes nothing; another model under a taken name is refused', async (t) => {
  const store = await emptyStore(t);
  const manifest = await addGraph(store, 'digits', pattern(50));
  assert.equal(await store.add(manifest), (await store.list())[0]!.id);
  await assert.rejects(addGraph(store, 'digits', pattern(50, 9)), hasCode('bad_request'));
  assert.equal((await store.list()).length, 1);
});

test('a manifest whose blobs are not there is not published', async (t) => {
  const store = await emptyStore(t);
  const manifest = await addGraph(store, 'digits', pattern(50));
  await store.remove('digits');
  await assert.rejects(store.add(manifest), hasCode('bad_blob'));
  assert.deepEqual(await store.list(), []);
});

test('an interrupted add leaves no model, and its blobs go at the next start', async (t) => {
  const store = await emptyStore(t);
  await addGraph(store, 'kept', pattern(10));
  const adding = await store.startAdding();
  await adding.put(pattern(2000));
  await writeFile(join(store.folder, 'blobs', 'bhalf.123.partial'), 'half a blob');
  assert.equal((await blobs(store)).length, 3);

  await new ModelStore(store.folder).open();
  assert.equal((await blobs(store)).length, 3, 'while the adding process lives its blobs stay');

  await rm(join(store.folder, 'adding'), { recursive: true });
  const reopened = await new ModelStore(store.folder).open();
  assert.equal((await blobs(store)).length, 1);
  await writeFile(join(store.folder, 'adding', `${deadPid}-1`), '');
  await writeFile(join(store.folder, 'blobs', 'bleft.over'), 'x');
  await reopened.open();
  assert.deepEqual(await readdir(join(store.folder, 'adding')), []);
  assert.equal((await blobs(store)).length, 1);
  assert.equal((await store.list()).length, 1);
});

test('verify names a damaged, a truncated and a missing blob', async (t) => {
  const store = await emptyStore(t);
  const { graph } = await addGraph(store, 'digits', pattern(2_500_000));
  const path = store.blobPath(graph.cid);
  assert.deepEqual(await store.verify('digits'), []);
  const bytes = await readFile(path);
  bytes[2_000_000]! ^= 1;
  await writeFile(path, bytes);
  assert.match((await store.verify('digits'))[0]!, /damaged near byte 1048576/);
  await truncate(path, 99);
  assert.match((await store.verify('digits'))[0]!, /99 bytes instead of 2500000/);
  await rm(path);
  assert.match((await store.verify('digits'))[0]!, /missing/);
});

test('a damaged manifest is not listed, and nothing is swept while it is there', async (t) => {
  const store = await emptyStore(t);
  const { graph } = await addGraph(store, 'digits', pattern(64));
  const [name] = await readdir(join(store.folder, 'manifests'));
  await writeFile(join(store.folder, 'manifests', name!), '{"half":');
  assert.deepEqual(await store.list(), []);
  await store.sweep();
  assert.ok(existsSync(store.blobPath(graph.cid)));
});

test('a source is recalled as the model it became, until that model is removed', async (t) => {
  const store = await emptyStore(t);
  await addGraph(store, 'digits', pattern(64));
  const { id } = await store.require('digits');
  await store.remember('folder x', id);
  assert.equal((await store.recall('folder x'))?.id, id);
  assert.equal(await store.recall('folder y'), null);
  await store.remove('digits');
  assert.equal(await store.recall('folder x'), null);
});
