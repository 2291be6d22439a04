import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { type BlobRef, leafBytes } from '../../shared/models/manifest.ts';
import { BlobServer } from './blob-server.ts';
import type { BlobCall } from './blob-worker.ts';

/** Calls from a page's script to its worker, one answer each. */
declare global {
  var callWorker: (message: BlobCall) => Promise<{ result?: unknown; error?: { name: string; code: string; message: string } }>;
}

const pageScript = `
  const worker = new Worker('/worker.js', { type: 'module' });
  const waiting = new Map(); let next = 0;
  worker.onmessage = ({ data }) => { waiting.get(data.id)(data); waiting.delete(data.id); };
  globalThis.callWorker = (message) => new Promise((resolve) => { waiting.set(next, resolve); worker.postMessage({ id: next++, message }); });
`;

let server: BlobServer;
let origin: string;
let context: BrowserContext;
let profile: string;
let serial = 0;

before(async () => {
  const bundle = await build({
    entryPoints: [path.join(import.meta.dirname, 'blob-worker.ts')],
    bundle: true,
    format: 'esm',
    write: false,
  });
  server = new BlobServer({
    '/': { type: 'text/html', body: '<!doctype html><title>blobs</title><script type="module" src="/page.js"></script>' },
    '/page.js': { type: 'text/javascript', body: pageScript },
    '/worker.js': { type: 'text/javascript', body: bundle.outputFiles[0]!.text },
  });
  origin = await server.listen();
  profile = await mkdtemp(path.join(tmpdir(), 'vessel-blob-cache-'));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.VESSEL_BROWSER ?? '/usr/bin/chromium',
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
});

after(async () => {
  await context?.close();
  server?.close();
  if (profile !== undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

beforeEach(() => {
  server.requests.length = 0;
  server.faults = [];
  server.lastingFault = null;
});

async function openTab(storage: 'best' | 'memory' = 'best'): Promise<Page> {
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction(() => 'callWorker' in globalThis);
  const opened = await call(page, { call: 'open', storage });
  assert.equal(opened.result, storage === 'best' ? 'opfs' : 'memory');
  return page;
}

function call(page: Page, message: BlobCall) {
  return page.evaluate((sent) => globalThis.callWorker(sent), message);
}

/** A new blob each time, different in every leaf and not a whole number of them. */
function makeBlob(leaves: number): { ref: BlobRef; bytes: Uint8Array } {
  const bytes = new Uint8Array((leaves - 1) * leafBytes + 12_345);
  serial += 1;
  let state = serial * 2_654_435_761;
  for (let at = 0; at < bytes.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[at] = state >>> 24;
    bytes[at + 1] = state >>> 16;
  }
  return { bytes, ref: server.addBlob(bytes) };
}

async function assertHolds(page: Page, ref: BlobRef, bytes: Uint8Array): Promise<void> {
  // Over the middle of two leaves, and the last bytes.
  for (const [offset, length] of [
    [0, 16],
    [Math.min(leafBytes - 8, ref.bytes - 16), 16],
    [ref.bytes - 16, 16],
  ] as const) {
    const { result } = await call(page, { call: 'read', cid: ref.cid, offset, length });
    assert.deepEqual(result, Array.from(bytes.subarray(offset, offset + length)));
  }
  const { result: digest } = await call(page, { call: 'digest', cid: ref.cid });
  assert.equal(Buffer.from(digest as number[]).toString('hex'), createHash('sha256').update(bytes).digest('hex'));
}

test('a blob is fetched by range, verified and kept; a second visit fetches nothing', async () => {
  const { ref, bytes } = makeBlob(18);
  const first = await openTab();
  const { result: progress } = await call(first, { call: 'ensure', ref });
  assert.deepEqual(
    server.requests.map(({ start, end }) => [start / leafBytes, Math.ceil(end / leafBytes)]).sort((a, b) => a[0]! - b[0]!),
    [
      [0, 8],
      [8, 16],
      [16, 18],
    ],
  );
  assert.ok((progress as number[]).length > 4, 'progress is reported on the way');
  assert.equal((progress as number[]).at(-1), ref.bytes);
  await assertHolds(first, ref, bytes);
  assert.deepEqual((await call(first, { call: 'blob', cid: ref.cid })).result, { bytes: ref.bytes, isFile: true });
  await first.close();

  server.requests.length = 0;
  const second = await openTab();
  await call(second, { call: 'ensure', ref });
  await assertHolds(second, ref, bytes);
  assert.deepEqual(server.requests, []);
  await second.close();
});

test('a tab killed half way goes on where it stopped', async () => {
  const { ref, bytes } = makeBlob(6);
  const first = await openTab();
  server.lastingFault = { kind: 'hang', afterBytes: 3.5 * leafBytes };
  // Does not end: the server hangs in the fourth leaf and the tab dies there.
  const hanging = call(first, { call: 'ensure', ref }).catch(() => null);
  await waitUntil(async () => (await storedBytes(first, ref.cid)) >= 3 * leafBytes);
  await first.close();
  await hanging;

  server.lastingFault = null;
  server.requests.length = 0;
  const second = await openTab();
  assert.equal((await call(second, { call: 'blob', cid: ref.cid })).result, null, 'a partial is not a blob');
  await call(second, { call: 'ensure', ref });
  assert.deepEqual(
    server.requests.map(({ start, end }) => [start, end]),
    [[3 * leafBytes, ref.bytes]],
  );
  await assertHolds(second, ref, bytes);
  await second.close();
});

test('bytes of a partial that were torn by a crash are fetched again, not trusted', async () => {
  const { ref, bytes } = makeBlob(4);
  const page = await openTab();
  server.lastingFault = { kind: 'hang', afterBytes: 2 * leafBytes };
  const hanging = call(page, { call: 'ensure', ref }).catch(() => null);
  await waitUntil(async () => (await storedBytes(page, ref.cid)) >= 2 * leafBytes);
  await page.close();
  await hanging;

  const other = await openTab();
  await other.evaluate(async (cid) => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('blobs');
    const writable = await (await folder.getFileHandle(cid)).createWritable({ keepExistingData: true });
    await writable.write({ type: 'write', position: 100, data: new Uint8Array(50) });
    await writable.close();
  }, ref.cid);
  server.lastingFault = null;
  server.requests.length = 0;
  await call(other, { call: 'ensure', ref });
  assert.deepEqual(server.requests.map(({ start }) => start).sort(), [0, 2 * leafBytes]);
  await assertHolds(other, ref, bytes);
  await other.close();
});

test('cut connections and server errors are tried again until every leaf is there', async () => {
  const { ref, bytes } = makeBlob(10);
  server.faults = [
    { kind: 'cut', afterBytes: 2.5 * leafBytes },
    { kind: 'status', status: 503 },
    { kind: 'status', status: 500 },
    null,
  ];
  const page = await openTab();
  await call(page, { call: 'ensure', ref });
  await assertHolds(page, ref, bytes);
  await page.close();
});

test('a relay that only fails ends with relay_lost; a later try gets the blob', async () => {
  const { ref, bytes } = makeBlob(3);
  server.lastingFault = { kind: 'status', status: 502 };
  const page = await openTab();
  assert.equal((await call(page, { call: 'ensure', ref })).error?.code, 'relay_lost');
  assert.equal((await call(page, { call: 'blob', cid: ref.cid })).result, null);
  server.lastingFault = null;
  await call(page, { call: 'ensure', ref });
  await assertHolds(page, ref, bytes);
  await page.close();
});

test('wrong bytes are fetched once more; wrong twice is bad_blob and never becomes a blob', async () => {
  const { ref, bytes } = makeBlob(3);
  const page = await openTab();
  server.faults = [{ kind: 'wrong', at: leafBytes + 5 }];
  await call(page, { call: 'ensure', ref });
  assert.deepEqual(
    server.requests.map(({ start }) => start),
    [0, leafBytes],
  );
  await assertHolds(page, ref, bytes);

  const bad = makeBlob(3);
  server.lastingFault = { kind: 'wrong', at: leafBytes + 5 };
  assert.equal((await call(page, { call: 'ensure', ref: bad.ref })).error?.code, 'bad_blob');
  assert.equal((await call(page, { call: 'blob', cid: bad.ref.cid })).result, null);
  server.lastingFault = null;
  await call(page, { call: 'ensure', ref: bad.ref });
  await assertHolds(page, bad.ref, bad.bytes);
  await page.close();
});

test('hashes that do not belong to the cid are refused before anything is fetched', async () => {
  const { ref } = makeBlob(2);
  const page = await openTab();
  const lied = { ...ref, leaves: [ref.leaves[1]!, ref.leaves[0]!] };
  assert.equal((await call(page, { call: 'ensure', ref: lied })).error?.code, 'bad_blob');
  assert.equal((await call(page, { call: 'ensure', ref: { ...ref, leaves: ref.leaves.slice(1) } })).error?.code, 'bad_blob');
  assert.deepEqual(server.requests, []);
  await page.close();
});

test('a blob the relay does not have is not_found', async () => {
  const { ref } = makeBlob(1);
  server.lastingFault = { kind: 'status', status: 404 };
  const page = await openTab();
  assert.equal((await call(page, { call: 'ensure', ref })).error?.code, 'not_found');
  await page.close();
});

test('two tabs that want the same blob fetch it once', async () => {
  const { ref, bytes } = makeBlob(10);
  const [one, two] = [await openTab(), await openTab()];
  await Promise.all([call(one, { call: 'ensure', ref }), call(two, { call: 'ensure', ref })]);
  assert.equal(
    server.requests.reduce((sum, { start, end }) => sum + end - start, 0),
    ref.bytes,
  );
  await assertHolds(one, ref, bytes);
  await assertHolds(two, ref, bytes);
  await one.close();
  await two.close();
});

test('an aborted download rejects, frees the lock and keeps what came', async () => {
  const { ref, bytes } = makeBlob(10);
  const page = await openTab();
  const { error } = await call(page, { call: 'ensure', ref, abortAfterBytes: 2 * leafBytes });
  assert.equal(error?.name, 'AbortError');
  await call(page, { call: 'ensure', ref });
  await assertHolds(page, ref, bytes);
  await page.close();
});

test('no room is out_of_memory with advice, and works once there is room', async () => {
  const { ref, bytes } = makeBlob(6);
  const page = await openTab();
  const session = await context.newCDPSession(page);
  const { usage } = await page.evaluate(() => navigator.storage.estimate());
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: (usage ?? 0) + 2 * leafBytes });
  const { error } = await call(page, { call: 'ensure', ref });
  assert.equal(error?.code, 'out_of_memory');
  assert.match(error?.message ?? '', /pledge less/);
  await session.send('Storage.overrideQuotaForOrigin', { origin });
  await call(page, { call: 'ensure', ref });
  await assertHolds(page, ref, bytes);
  await page.close();
});

test('remove forgets a blob; list and usage count what is there', async () => {
  const page = await openTab();
  for (const blob of (await call(page, { call: 'list' })).result as { cid: string }[]) {
    await call(page, { call: 'remove', cid: blob.cid });
  }
  const { ref } = makeBlob(2);
  await call(page, { call: 'ensure', ref });
  assert.deepEqual((await call(page, { call: 'list' })).result, [{ cid: ref.cid, bytes: ref.bytes, done: true }]);
  assert.equal(((await call(page, { call: 'usage' })).result as { bytes: number }).bytes, ref.bytes);
  await call(page, { call: 'remove', cid: ref.cid });
  assert.deepEqual((await call(page, { call: 'list' })).result, []);
  assert.equal((await call(page, { call: 'read', cid: ref.cid, offset: 0, length: 1 })).error?.code, 'not_found');
  await page.close();
});

test('without a file system the blob is held in memory', async () => {
  const { ref, bytes } = makeBlob(3);
  const page = await openTab('memory');
  server.faults = [{ kind: 'cut', afterBytes: 1.5 * leafBytes }];
  await call(page, { call: 'ensure', ref });
  await assertHolds(page, ref, bytes);
  server.requests.length = 0;
  await call(page, { call: 'ensure', ref });
  assert.deepEqual(server.requests, []);
  await page.close();
});

async function storedBytes(page: Page, cid: string): Promise<number> {
  const blobs = (await call(page, { call: 'list' })).result as { cid: string; bytes: number }[];
  return blobs.find((blob) => blob.cid === cid)?.bytes ?? 0;
}

async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
