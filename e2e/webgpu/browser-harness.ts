/** Headless Chromium with WebGPU on a page that owns one worker; serves the bundle, the runtime's files and blobs on loopback. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { MemoryBlobs } from '../../testing/memory-blobs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Where Debian and Ubuntu put it; VESSEL_CHROMIUM names another. */
export const chromiumPath = process.env.VESSEL_CHROMIUM ?? '/usr/bin/chromium';
const page = `<!doctype html><title>vessel</title><link rel="icon" href="data:,"><script type="module">
  const worker = new Worker('/worker.js', { type: 'module' });
  worker.onerror = (event) => console.error('worker:', event.message);
  globalThis.ask = (request) => new Promise((resolve) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.postMessage(request);
  });
</script>`;

export type Answer<T> = { ok: T } | { error: { code: string; message: string } };

export class BrowserHarness {
  readonly #server: Server;
  readonly #browser: Browser;
  readonly page: Page;
  readonly #said: string[];

  private constructor(server: Server, browser: Browser, tab: Page, said: string[]) {
    this.#said = said;
    this.#server = server;
    this.#browser = browser;
    this.page = tab;
  }

  /** `worker`: the file, from the repository's root, whose answers are asked for. */
  static async start(blobs: MemoryBlobs, worker = 'e2e/webgpu/browser-worker.ts'): Promise<BrowserHarness> {
    const server = await serve(blobs, worker);
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
    const said: string[] = [];
    tab.on('console', (message) => {
      said.push(message.text());
      said.splice(0, said.length - 10);
      if (process.env.VESSEL_TRACE) console.log(`[browser] ${message.text()}`);
    });
    tab.on('crash', () => said.push('the page crashed'));
    await tab.goto(`http://127.0.0.1:${port}/`);
    return new BrowserHarness(server, browser, tab, said);
  }

  /** Fails, with what the browser said last, if the worker does not answer in time. */
  async ask<T>(request: object, timeoutMs = 60_000): Promise<Answer<T>> {
    const answer = this.page.evaluate((value) => (globalThis as unknown as { ask(value: unknown): unknown }).ask(value), request);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`No answer in ${timeoutMs} ms; the browser said: ${this.#said.join(' | ')}`)),
        timeoutMs,
      );
    });
    try {
      return (await Promise.race([answer, late])) as Answer<T>;
    } finally {
      clearTimeout(timer);
      answer.catch(() => {});
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function serve(blobs: MemoryBlobs, entry: string): Promise<Server> {
  const bundle = await build({
    entryPoints: [join(root, entry)],
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
