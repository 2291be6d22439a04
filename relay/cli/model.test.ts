import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RecordedIo } from '../../testing/command-io.ts';
import { HubServer } from '../../testing/hub-server.ts';
import { main } from './main.ts';

const fixtures = fileURLToPath(new URL('../../testing/fixtures/', import.meta.url));
const stories = join(fixtures, 'stories260K/hf');

async function setUp(t: TestContext, env: Record<string, string> = {}) {
  const home = await mkdtemp(join(tmpdir(), 'vessel-model-'));
  t.after(() => rm(home, { recursive: true, force: true }));
  const vessel = async (...args: string[]) => {
    const io = new RecordedIo({ VESSEL_HOME: join(home, 'data'), HOME: home, ...env });
    return { code: await main(['model', ...args], io), out: io.out, err: io.err };
  };
  const list = async () =>
    JSON.parse((await vessel('ls', '--json')).out) as { name: string; id: string; source: string; bytes: number }[];
  return { home, vessel, list, blobs: () => readdir(join(home, 'data/models/blobs')) };
}

test('a folder becomes a model that is listed, whole, and gone when removed', async (t) => {
  const { vessel, list, blobs } = await setUp(t);
  const added = await vessel('add', stories, '--name', 'stories260K');
  assert.equal(added.code, 0, added.err);
  assert.match(added.out, /^stories260K {2}llama f32, 5 layers {2}/);
  assert.match(added.err, /converting .*: 100 % of/);
  assert.deepEqual(
    (await list()).map(({ name, source }) => [name, source]),
    [['stories260K', 'folder:hf']],
  );
  assert.equal((await vessel('verify', 'stories260K')).code, 0);
  assert.equal((await vessel('rm', 'stories260K')).code, 0);
  assert.deepEqual(await blobs(), []);
  assert.match((await vessel('rm', 'stories260K')).err, /No model is called.*\(model_not_found\)\nhint: /);
});

test('adding the same folder again converts nothing; another dtype is another model; a changed folder under the same name is refused', async (t) => {
  const { vessel, list, home } = await setUp(t);
  const folder = join(home, 'copy');
  await cp(stories, folder, { recursive: true });
  await vessel('add', folder);
  const again = await vessel('add', folder);
  assert.match(again.err, /^this model was added before/);
  await vessel('add', folder, '--dtype', 'q8');
  assert.deepEqual(
    (await list()).map(({ name }) => name),
    ['copy', 'copy-q8'],
  );
  const other = await vessel('add', folder, '--dtype', 'q8', '--name', 'copy');
  assert.equal(other.code, 1);
  assert.match(other.err, /Another model is called "copy".*--name/);
});

test('a truncated checkpoint is refused and leaves nothing', async (t) => {
  const { vessel, list, blobs, home } = await setUp(t);
  const folder = join(home, 'broken');
  await cp(stories, folder, { recursive: true });
  await truncate(join(folder, 'model.safetensors'), 300_000);
  const { code, err } = await vessel('add', folder);
  assert.equal(code, 1);
  assert.match(err, /\(bad_checkpoint\)/);
  assert.deepEqual([await list(), await blobs()], [[], []]);
});

test('a hub id is downloaded, converted and pinned to its commit; the download goes; a second add fetches no file', async (t) => {
  const commit = 'c'.repeat(40);
  const files: Record<string, Uint8Array> = {};
  for (const name of await readdir(stories)) files[name] = new Uint8Array(await readFile(join(stories, name)));
  const server = await new HubServer({ 'karpathy/stories': { commits: { [commit]: files }, refs: { main: commit } } }).start();
  t.after(() => server.stop());
  const { vessel, list, home } = await setUp(t, { HF_ENDPOINT: server.endpoint });
  server.faults = [{ kind: 'cut', file: 'model.safetensors', afterBytes: 100_000, times: 1 }];
  const added = await vessel('add', 'hf:karpathy/stories');
  assert.equal(added.code, 0, added.err);
  assert.match(added.err, /downloading hf:karpathy\/stories: 100 %.*converting/s);
  assert.equal((await list())[0]!.source, `hf:karpathy/stories@${commit}`);
  assert.deepEqual(await readdir(join(home, 'data/downloads/karpathy--stories')), []);
  server.seen.length = 0;
  assert.match((await vessel('add', 'hf:karpathy/stories@main')).err, /added before/);
  assert.equal(server.seen.length, 1);
});

test('an ONNX file needs its service type and becomes a model of it', async (t) => {
  const { vessel, list } = await setUp(t);
  const file = join(fixtures, 'mnist', (await readdir(join(fixtures, 'mnist'))).find((name) => name.endsWith('.onnx'))!);
  assert.match((await vessel('add', file)).err, /--service <type>/);
  assert.match((await vessel('add', file, '--service', 'telepathy')).err, /no service type "telepathy".*image-classification/);
  const added = await vessel('add', file, '--service', 'image-classification', '--name', 'digits');
  assert.equal(added.code, 0, added.err);
  assert.equal((await list())[0]!.name, 'digits');
});

test('wrong calls say what is wanted', async (t) => {
  const { vessel } = await setUp(t);
  const wrong: [string[], number, RegExp][] = [
    [[], 2, /add, ls, verify or rm/],
    [['add'], 2, /name a folder/],
    [['add', 'a', 'b'], 2, /one model at a time/],
    [['add', stories, '--dtype', 'q3'], 2, /f32, f16, q8, q4/],
    [['add', stories, '--set', 'x'], 2, /key=value/],
    [['add', stories, '--service', 'image-classification'], 1, /for .onnx files/],
    [['add', '/no/such/folder'], 1, /There is no \/no\/such\/folder/],
    [['add', 'hf:broken'], 1, /hf:org\/name/],
    [['add', fixtures], 1, /no config\.json/],
    [['fly'], 2, /does not know "fly"/],
  ];
  for (const [args, code, words] of wrong) {
    const result = await vessel(...args);
    assert.equal(result.code, code, args.join(' '));
    assert.match(result.err, words);
  }
});
