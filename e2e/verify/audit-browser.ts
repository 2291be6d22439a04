/** An auditor in headless Chromium: the real runtime on real WebGPU in a worker, asked from Node to run shards again. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { MemoryBlobs } from '../../testing/memory-blobs.ts';
import type { AuditRequest, LoadReply, LoadRequest, RerunReply } from './audit-worker.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const chromiumPath = process.env.VESSEL_CHROMIUM ?? '/usr/bin/chromium';
const page = `<!doctype html><title>auditor</title><link rel="icon" href="data:,"><script type="module">
  const worker = new Worker('/worker.js', { type: 'module' });
  worker.onerror = (event) => console.error('worker:', event.message);
  globalThis.ask = (request) => new Promise((resolve) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.postMessage(request);
  });
</script>`;

export class AuditBrowser {
  readonly #server: Server;
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(server: Server, browser: Browser, tab: Page) {
    this.#server = server;
    this.#browser = browser;
    this.#page = tab;
  }

  static async start(blobs: MemoryBlobs): Promise<AuditBrowser> {
    const server = await serve(blobs);
    const { port } = server.address() as AddressInfo;
    const browser = await chromium.launch({
      executablePath: chromiumPath,
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
    const tab = await browser.newPage();
    if (process.env.VESSEL_TRACE) tab.on('console', (message) => console.log(`[browser] ${message.text()}`));
    await tab.goto(`http://127.0.0.1:${port}/`);
    return new AuditBrowser(server, browser, tab);
  }

  load(request: Omit<LoadRequest, 'kind'>): Promise<LoadReply> {
    return this.#ask<LoadReply>({ kind: 'load', ...request });
  }

  /**
   * Rows [sum of steps, hidden] of the loaded shard, or logits [steps, vocab] of the last one.
   * @param input ids for the first shard, row-major rows for others
   */
  async rerun(input: Int32Array | Float32Array, steps: number[]): Promise<Float32Array> {
    const text = Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('base64');
    const reply = await this.#ask<RerunReply>({ kind: 'rerun', input: text, steps });
    const bytes = Uint8Array.from(Buffer.from(reply, 'base64'));
    return new Float32Array(bytes.buffer);
  }

  async #ask<T>(request: AuditRequest): Promise<T> {
    const answer = (await this.#page.evaluate(
      (value) => (globalThis as unknown as { ask(value: unknown): unknown }).ask(value),
      request,
    )) as { ok: T } | { error: string };
    if ('error' in answer) throw new Error(answer.error);
    return answer.ok;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function serve(blobs: MemoryBlobs): Promise<Server> {
  const bundle = await build({
    entryPoints: [join(root, 'e2e/verify/audit-worker.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    target: 'es2024',
    logLevel: 'error',
  });
  const worker = bundle.outputFiles[0]!.contents;
  const server = createServer(async (request, response) => {
    const path = new URL(request.url!, 'http://localhost').pathname;
    const send = (type: string, body: Uint8Array | string): void =>
      void response.writeHead(200, { 'content-type': type }).end(body);
    const blob = blobs.blobs.get(basename(path));
    if (path === '/') send('text/html', page);
    else if (path === '/worker.js') send('text/javascript', worker);
    else if (path.startsWith('/blobs/') && blob) send('application/octet-stream', blob);
    else if (path.startsWith('/ort/')) {
      const type = path.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
      send(type, await readFile(join(root, 'node_modules/onnxruntime-web/dist', basename(path))));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
