/** Builds the screens on the fake network and serves them under the strict content security policy that the relay sends too. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { build } from 'vite';

const repository = path.join(import.meta.dirname, '../..');

export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

export async function servePage(outDir: string): Promise<{ origin: string; close(): void }> {
  await build({
    configFile: path.join(repository, 'web/vite.config.ts'),
    mode: 'fake',
    logLevel: 'warn',
    build: { outDir, emptyOutDir: true },
  });
  const server: Server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://page').pathname;
    const folder = url.startsWith('/icons/') ? path.join(repository, 'public') : outDir;
    try {
      const body = await readFile(path.join(folder, path.normalize(url)));
      const type = types[path.extname(url)] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type, 'content-security-policy': contentSecurityPolicy }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
