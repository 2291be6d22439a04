/** The built page. Hashed assets are kept forever, the page itself is asked for each time. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { Hono } from 'hono';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.wasm': 'application/wasm',
};

/**
 * wasm needs 'wasm-unsafe-eval'; the relay and WebRTC need connect-src 'self' with WebSockets of the same host. Nothing else from
 * outside is ever loaded.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "manifest-src 'self'",
  "connect-src 'self' ws: wss: blob: data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function pageRoutes(folder: string): Hono {
  const app = new Hono();
  app.get('*', async (c) => {
    const asked = normalize(decodeURIComponent(c.req.path));
    const path = join(folder, asked.endsWith('/') ? `${asked}index.html` : asked);
    if (!path.startsWith(folder + sep) || !existsSync(path)) return c.notFound();
    const isPage = extname(path) === '.html';
    return c.body(new Uint8Array(await readFile(path)), 200, {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      'cache-control': asked.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      ...(isPage ? { 'content-security-policy': contentSecurityPolicy } : {}),
    });
  });
  return app;
}
