/** Which backend a graph gets in a real tab with WebGPU, and that both give the reference's answers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { z } from 'zod';
import { imageResultSchema } from '../../shared/services/image-classification/image-schemas.ts';
import { voiceResultSchema } from '../../shared/services/voice-activity/voice-schemas.ts';
import { fixtureBytes, fixtureJson } from '../../testing/fixture-file.ts';
import type { ServiceReply, ServiceRequest } from './service-worker-page.ts';

declare global {
  var askService: (request: ServiceRequest) => Promise<ServiceReply>;
}

const html = `<!doctype html><title>services</title><script type="module">
  const worker = new Worker('/worker.js', { type: 'module' });
  globalThis.askService = (request) => new Promise((resolve) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.postMessage(request);
  });
</script>`;
const runtimeFolder = fileURLToPath(new URL('../../node_modules/onnxruntime-web/dist', import.meta.url));
let server: Server;
let browser: Browser;
let page: Page;

before(async () => {
  const entry = fileURLToPath(new URL('service-worker-page.ts', import.meta.url));
  const bundle = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    write: false,
    target: 'es2024',
    logLevel: 'error',
  });
  const worker = bundle.outputFiles[0]!.contents;
  const answers: [string, string, (path: string) => Promise<Uint8Array | string>][] = [
    ['/fixtures/', 'application/octet-stream', async (path) => fixtureBytes(path.slice('/fixtures/'.length))],
    ['/ort/', '', (path) => readFile(join(runtimeFolder, basename(path)))],
    ['/worker.js', 'text/javascript', async () => worker],
    ['/', 'text/html', async () => html],
  ];
  server = createServer(async ({ url = '/' }, response) => {
    const [, type, read] = answers.find(([prefix]) => url.startsWith(prefix))!;
    const ortType = url.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
    response.writeHead(200, { 'content-type': type || ortType }).end(await read(url));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await chromium.launch({
    executablePath: process.env.VESSEL_BROWSER ?? '/usr/bin/chromium',
    args: [
      '--headless=new',
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  await page.waitForFunction(() => 'askService' in globalThis);
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

async function ask(request: ServiceRequest): Promise<{ backend: string; results: unknown[] }> {
  const reply = await page.evaluate((value) => globalThis.askService(value), request);
  if ('error' in reply) throw new Error(`${reply.error.code}: ${reply.error.message}`);
  return reply;
}

test('Silero has operators without a GPU kernel: it is served on wasm, says so, and gives the reference probabilities', async () => {
  const { probabilities } = z
    .object({ probabilities: z.array(z.number()) })
    .parse(fixtureJson('silero/reference-probabilities.json'));
  const middle = 100_001 * 2;
  const { backend, results } = await ask({
    graph: '/fixtures/silero/silero_vad_16k_op15.onnx',
    input: '/fixtures/silero/speech-8s-16khz.s16le',
    service: 'voice-activity',
    settings: {},
    orders: [
      { order: { format: 's16le' }, from: 0, to: middle },
      { order: { format: 's16le' }, from: middle, to: 256_000 },
    ],
  });
  assert.equal(backend, 'wasm');
  const heard = results.flatMap((result) => voiceResultSchema.parse(result).probabilities);
  assert.equal(heard.length, probabilities.length);
  heard.forEach((probability, chunk) => {
    assert.ok(Math.abs(probability - probabilities[chunk]!) < 1e-4, `chunk ${chunk}`);
  });
});

test('MNIST runs strictly on WebGPU, after a graph that did not as well, says so, and gives the reference logits', async () => {
  const reference = z.object({ logits: z.array(z.array(z.number())) }).parse(fixtureJson('mnist/reference-logits.json'));
  const order = { format: 'gray8', width: 28, height: 28 };
  const { backend, results } = await ask({
    graph: '/fixtures/mnist/mnist-8.onnx',
    input: '/fixtures/mnist/images-200x28x28.u8',
    service: 'image-classification',
    settings: { scale: 1, activation: 'none', topK: 10 },
    orders: reference.logits.map((_, index) => ({ order, from: index * 784, to: (index + 1) * 784 })),
  });
  assert.equal(backend, 'webgpu');
  results.forEach((result, index) => {
    const { labels, backend: declared } = imageResultSchema.parse(result);
    assert.equal(declared, 'webgpu');
    // Logits go up to about 10,000: 0.02 is f32 rounding of another order of summation.
    for (const { index: digit, score } of labels)
      assert.ok(Math.abs(score - reference.logits[index]![digit]!) < 0.02, `${score}`);
  });
});
