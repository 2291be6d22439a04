import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { type HubRepository, HubServer } from '../../testing/hub-server.ts';
import { HubClient } from './hub-client.ts';
import type { HubHttpOptions } from './hub-http.ts';
import { parseHubReference, requireHubReference } from './hub-reference.ts';
import { readHubToken } from './hub-token.ts';

const first = 'a'.repeat(40);
const second = 'b'.repeat(40);
const token = 'hf_test_token';
const text = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const noise = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 2654435761 + seed) >>> 13);
const weights = noise(700_000, 1);

function sampleRepository(): HubRepository {
  const files = {
    'README.md': text('# a model'),
    'config.json': text({ model_type: 'llama' }),
    'tokenizer.json': noise(5000, 2),
    'tokenizer_config.json': text({}),
    'model.safetensors': weights,
    'pytorch_model.bin': noise(200_000, 3),
    'onnx/model.onnx': noise(1000, 4),
  };
  return {
    commits: { [first]: files, [second]: { ...files, 'model.safetensors': noise(600_000, 9) } },
    refs: { main: first, v2: second, 'pr/1': second },
  };
}

async function setUp(t: TestContext, options: { repository?: HubRepository; token?: string | null } = {}) {
  const server = await new HubServer({ 'org/model': options.repository ?? sampleRepository() }, token).start();
  const downloads = await mkdtemp(join(tmpdir(), 'vessel-hub-'));
  t.after(async () => {
    await server.stop();
    await rm(downloads, { recursive: true, force: true });
  });
  const slept: number[] = [];
  const http: HubHttpOptions = {
    endpoint: server.endpoint,
    token: options.token ?? null,
    random: () => 0.5,
    sleep: async (ms) => void slept.push(ms),
  };
  const client = new HubClient(http);
  const get = async (revision = 'main') => client.download(await client.find({ org: 'org', name: 'model', revision }), downloads);
  return { server, downloads, client, slept, get };
}

const weightGets = (server: HubServer) =>
  server.seen.filter(({ host, method, path }) => host === 'cdn' && method === 'GET' && path.endsWith('.safetensors'));
const refusal = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof VesselError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  return true;
};

test('a hub reference is org, name and an optional revision', () => {
  assert.deepEqual(parseHubReference('hf:org/na.me-1'), { org: 'org', name: 'na.me-1', revision: 'main' });
  assert.deepEqual(parseHubReference('hf:org/name@refs/pr/1'), { org: 'org', name: 'name', revision: 'refs/pr/1' });
  for (const wrong of ['org/name', 'hf:org', 'hf:org/../x', 'hf:org/name@', 'hf:/name', 'hf:org/a b'])
    assert.equal(parseHubReference(wrong), null, wrong);
  assert.throws(() => requireHubReference('hf:x'), refusal('bad_request', /hf:org\/name/));
});

test('only the files an import reads are fetched, each as the hub has it', async (t) => {
  const { get, server } = await setUp(t);
  const folder = await get();
  assert.deepEqual((await readdir(folder)).sort(), [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  assert.deepEqual(new Uint8Array(await readFile(join(folder, 'model.safetensors'))), weights);
  assert.ok(server.seen.every(({ path }) => !path.endsWith('.bin') && !path.endsWith('.onnx')));
  assert.ok(folder.endsWith(join('org--model', first)), 'the folder names the commit');
});

test('branches, tags and commits name revisions; an unknown one is refused with advice', async (t) => {
  const { client } = await setUp(t);
  const commitOf = async (revision: string) => (await client.find({ org: 'org', name: 'model', revision })).commit;
  assert.equal(await commitOf('main'), first);
  assert.equal(await commitOf('v2'), second);
  assert.equal(await commitOf('pr/1'), second);
  assert.equal(await commitOf(second), second);
  await assert.rejects(commitOf('v9'), refusal('model_not_found', /no revision "v9"/));
});

test('a second download fetches nothing', async (t) => {
  const { get, server } = await setUp(t);
  await get();
  server.seen.length = 0;
  await get();
  assert.deepEqual(
    server.seen.map(({ path }) => path.split('/')[1]),
    ['api'],
  );
});

test('shards are those that the index names, and a missing one is named', async (t) => {
  const repository = sampleRepository();
  const files = repository.commits[first]!;
  delete files['model.safetensors'];
  files['model-00001-of-00002.safetensors'] = noise(150_000, 5);
  files['model-00002-of-00002.safetensors'] = noise(160_000, 6);
  files['consolidated.safetensors'] = noise(300_000, 7);
  files['model.safetensors.index.json'] = text({
    weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
  });
  const { get } = await setUp(t, { repository });
  const names = await readdir(await get());
  assert.ok(names.includes('model-00002-of-00002.safetensors') && !names.includes('consolidated.safetensors'));
  files['model.safetensors.index.json'] = text({ weight_map: { a: 'model-00003-of-00002.safetensors' } });
  await rm(join((await setUp(t, { repository })).downloads), { recursive: true });
  const again = await setUp(t, { repository });
  await assert.rejects(again.get(), refusal('bad_checkpoint', /model-00003-of-00002/));
});

test('a repository without config or without safetensors is refused before its weights are fetched', async (t) => {
  const repository = sampleRepository();
  delete repository.commits[first]!['model.safetensors'];
  delete repository.commits[second]!['config.json'];
  const { get } = await setUp(t, { repository });
  await assert.rejects(get('main'), refusal('bad_checkpoint', /no safetensors weights.*pytorch_model\.bin/));
  await assert.rejects(get('v2'), refusal('bad_checkpoint', /no config\.json/));
});

test('a connection that dies midway is continued by range, in the same run', async (t) => {
  const { get, server, slept } = await setUp(t);
  server.faults = [{ kind: 'cut', file: 'model.safetensors', afterBytes: 250_000, times: 2 }];
  const folder = await get();
  assert.deepEqual(new Uint8Array(await readFile(join(folder, 'model.safetensors'))), weights);
  const ranges = weightGets(server).map(({ range }) => range);
  assert.equal(ranges[0], null);
  assert.ok(
    ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range ?? '')),
    String(ranges),
  );
  assert.equal(slept.length, 2);
});

test('a hub that stays dead is given up on, and the next run continues where it stopped', async (t) => {
  const { get, server, downloads } = await setUp(t);
  server.faults = [
    { kind: 'cut', file: 'model.safetensors', afterBytes: 300_000, times: 1 },
    { kind: 'cut', file: 'model.safetensors', afterBytes: 0, times: 99 },
  ];
  await assert.rejects(get(), refusal('hub_failed', /Tried 6 times/));
  const part = join(downloads, 'org--model', first, 'model.safetensors.part');
  const have = (await stat(part)).size;
  assert.ok(have > 0 && have <= 300_000);
  server.faults = [];
  server.seen.length = 0;
  const folder = await get();
  assert.deepEqual(
    weightGets(server).map(({ range }) => range),
    [`bytes=${have}-`],
  );
  assert.deepEqual(new Uint8Array(await readFile(join(folder, 'model.safetensors'))), weights);
});

test('a part of other content, and a server that ignores ranges, start the file again', async (t) => {
  const { get, server, downloads } = await setUp(t);
  const target = join(downloads, 'org--model', first, 'model.safetensors');
  await mkdir(join(downloads, 'org--model', first), { recursive: true });
  await writeFile(`${target}.part`, noise(1000, 77));
  await writeFile(`${target}.part.json`, JSON.stringify({ hash: 'c'.repeat(64), size: weights.length }));
  assert.deepEqual(new Uint8Array(await readFile(join(await get(), 'model.safetensors'))), weights);
  assert.deepEqual(
    weightGets(server).map(({ range }) => range),
    [null],
  );

  await rm(target);
  server.faults = [
    { kind: 'cut', file: 'model.safetensors', afterBytes: 200_000, times: 1 },
    { kind: 'ignoreRange', file: 'model.safetensors', times: 2 },
  ];
  assert.deepEqual(new Uint8Array(await readFile(join(await get(), 'model.safetensors'))), weights);
});

for (const file of ['model.safetensors', 'tokenizer.json']) {
  test(`wrong bytes of ${file} are fetched once more, and refused when they come again`, async (t) => {
    const { get, server, downloads } = await setUp(t);
    server.faults = [{ kind: 'wrongBytes', file, times: 1 }];
    await get();
    await rm(join(downloads, 'org--model'), { recursive: true });
    server.faults = [{ kind: 'wrongBytes', file, times: 2 }];
    await assert.rejects(get(), refusal('bad_blob', new RegExp(`${file}.*another hash`)));
    assert.ok(!(await readdir(join(downloads, 'org--model', first))).some((name) => name.startsWith(file)));
  });
}

test('the hash of a file comes from its headers when the list of files has none', async (t) => {
  const { get, server } = await setUp(t);
  server.listsHashes = false;
  server.faults = [{ kind: 'wrongBytes', file: 'model.safetensors', times: 2 }];
  await assert.rejects(get(), refusal('bad_blob', /another hash/));
  assert.deepEqual(new Uint8Array(await readFile(join(await get(), 'model.safetensors'))), weights);
});

test('a gated model says what to do, without a token and with one', async (t) => {
  const repository: HubRepository = { ...sampleRepository(), access: 'gated' };
  const without = await setUp(t, { repository });
  await assert.rejects(without.get(), refusal('forbidden', /gated.*accept its licence.*HF_TOKEN/));
  const withToken = await setUp(t, { repository, token });
  await withToken.get();
});

test('a private or unknown model is not found; a wrong token is told as such', async (t) => {
  const { client, get } = await setUp(t, { repository: { ...sampleRepository(), access: 'private' } });
  await assert.rejects(get(), refusal('model_not_found', /check the spelling.*set HF_TOKEN/));
  await assert.rejects(
    client.find({ org: 'org', name: 'other', revision: 'main' }),
    refusal('model_not_found', /no model org\/other/),
  );
  const wrong = await setUp(t, { token: 'hf_wrong' });
  await assert.rejects(wrong.get(), refusal('model_not_found', /your token/));
});

test('the token goes to the hub and never to the host that it redirects to', async (t) => {
  const { get, server } = await setUp(t, { token });
  await get();
  assert.ok(server.seen.some(({ host }) => host === 'cdn'));
  for (const { host, authorization } of server.seen) assert.equal(authorization, host === 'hub' ? `Bearer ${token}` : null);
});

test('5xx is tried again with growing waits; 429 waits as long as the hub says', async (t) => {
  const { get, server, slept } = await setUp(t);
  server.faults = [{ kind: 'status', file: 'info', status: 503, times: 3 }];
  await get();
  assert.deepEqual(slept, [375, 750, 1500]);
  slept.length = 0;
  server.faults = [
    { kind: 'status', file: 'info', status: 429, times: 1, headers: { 'retry-after': '7' } },
    { kind: 'status', file: 'info', status: 429, times: 1, headers: { ratelimit: '"api";r=0;t=55' } },
  ];
  await get();
  assert.deepEqual(slept, [7000, 55_000]);
  server.faults = [{ kind: 'status', file: 'info', status: 429, times: 1, headers: { 'retry-after': '3600' } }];
  await assert.rejects(get(), refusal('rate_limited', /try again in 60 min/));
});

test('a hub that nobody can reach, and an endpoint that is no hub, are told plainly', async (t) => {
  const { server, downloads } = await setUp(t);
  const { endpoint } = server;
  await server.stop();
  const reference = { org: 'org', name: 'model', revision: 'main' };
  const dead = new HubClient({ endpoint, sleep: async () => {} });
  await assert.rejects(dead.find(reference), refusal('hub_failed', /ECONNREFUSED.*Tried 6 times/));
  const notHub = new HubClient({ endpoint: 'http://127.0.0.1:1', fetch: async () => new Response('<html>hello</html>') });
  await assert.rejects(notHub.find(reference), refusal('hub_failed', /HF_ENDPOINT/));
  assert.throws(() => new HubClient({ endpoint: 'ftp://x' }), refusal('bad_request', /HF_ENDPOINT/));
  assert.deepEqual(await readdir(downloads), []);
});

test('progress counts bytes up to the whole; cancelling ends it and keeps the part', async (t) => {
  const { client, server, downloads } = await setUp(t);
  server.faults = [{ kind: 'slow', file: 'model.safetensors', msPerChunk: 5, times: 1 }];
  const model = await client.find({ org: 'org', name: 'model', revision: 'main' });
  const cancel = new AbortController();
  const onProgress = (done: number) => done > 200_000 && cancel.abort(new Error('enough'));
  await assert.rejects(client.download(model, downloads, { signal: cancel.signal, onProgress }), /enough/);
  const seen: [number, number][] = [];
  await client.download(model, downloads, { onProgress: (...step) => seen.push(step) });
  assert.ok(seen[0]![0] > 200_000, 'it continued');
  assert.deepEqual(seen.at(-1), [weights.length, weights.length]);
});

test('two downloads of one model do not share a folder at the same time', async (t) => {
  const { client, server, downloads } = await setUp(t);
  server.faults = [{ kind: 'slow', file: 'model.safetensors', msPerChunk: 3, times: 1 }];
  const model = await client.find({ org: 'org', name: 'model', revision: 'main' });
  const results = await Promise.allSettled([client.download(model, downloads), client.download(model, downloads)]);
  assert.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
});

test('the token is read where the hub keeps it', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'vessel-token-'));
  t.after(() => rm(home, { recursive: true }));
  assert.equal(await readHubToken({ HOME: home }), null);
  await mkdir(join(home, '.cache/huggingface'), { recursive: true });
  await writeFile(join(home, '.cache/huggingface/token'), 'hf_file\n');
  assert.equal(await readHubToken({ HOME: home }), 'hf_file');
  assert.equal(await readHubToken({ HOME: home, HF_TOKEN: 'hf_env' }), 'hf_env');
  await writeFile(join(home, 'elsewhere'), 'hf_path');
  assert.equal(await readHubToken({ HOME: home, HF_TOKEN_PATH: join(home, 'elsewhere') }), 'hf_path');
});
