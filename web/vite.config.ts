/**
 * Builds the page into dist/web. `--mode fake` builds the same screens on a fake network instead, into build/fake-web: for
 * working on screens (`vite web --mode fake`, then /app/testing/fake.html) and for their test. Nothing of it is in dist.
 */
import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import react from '@vitejs/plugin-react';
import { defaultClientConditions, defineConfig, type Plugin } from 'vite';

const root = import.meta.dirname;
const repository = path.dirname(root);
const relay = process.env.VESSEL_RELAY ?? 'http://localhost:8787';

/** The relay's HTTP doors, for `vite` in development; in production the relay serves the page itself. */
const relayPaths = ['/v1', '/api', '/blobs', '/manifests', '/models', '/health', '/metrics', '/openapi.json'];

/**
 * ONNX Runtime's native builds (design C1) by URL under /ort/, and icons from public/. Copied, not bundled: a 15 to 27 MB file
 * needs no hash in its name and no place in the module graph.
 */
const staticFiles: Record<string, string> = {
  '/manifest.webmanifest': path.join(repository, 'public/manifest.webmanifest'),
  ...Object.fromEntries(
    ['jspi.mjs', 'jspi.wasm', 'asyncify.mjs', 'asyncify.wasm', 'mjs', 'wasm'].map((variant) => {
      const name = `ort-wasm-simd-threaded.${variant}`;
      return [`/ort/${name}`, path.join(repository, 'node_modules/onnxruntime-web/dist', name)];
    }),
  ),
};

const contentTypes: Record<string, string> = {
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

function copyStaticFiles(outDir: string): Plugin {
  return {
    name: 'vessel-static-files',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const url = (request.url ?? '/').split('?')[0]!;
        const icon = /^\/icons\/[\w.-]+$/.test(url) ? path.join(repository, 'public', url) : undefined;
        const file = staticFiles[url] ?? icon;
        if (file === undefined || !existsSync(file)) return next();
        response.setHeader('content-type', contentTypes[path.extname(file)] ?? 'application/octet-stream');
        createReadStream(file).pipe(response);
      });
    },
    async closeBundle() {
      for (const icon of await readdir(path.join(repository, 'public/icons'))) {
        await cp(path.join(repository, 'public/icons', icon), path.join(outDir, 'icons', icon));
      }
      for (const [url, file] of Object.entries(staticFiles)) {
        const target = path.join(outDir, url);
        await mkdir(path.dirname(target), { recursive: true });
        await cp(file, target);
      }
    },
  };
}

export default defineConfig(({ mode }) => {
  const isFake = mode === 'fake';
  const outDir = path.join(repository, isFake ? 'build/fake-web' : 'dist/web');
  return {
    root,
    publicDir: false,
    plugins: [react(), ...(isFake ? [] : [copyStaticFiles(outDir)])],
    // Without it the runtime's glue is inlined into the worker and its wasm is emitted a second time.
    resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
    worker: { format: 'es' },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2023',
      // A strict content security policy: no inline scripts, no data: URLs.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: true,
      ...(isFake ? { rolldownOptions: { input: path.join(root, 'app/testing/fake.html') } } : {}),
    },
    server: {
      proxy: {
        ...Object.fromEntries(relayPaths.map((from) => [from, relay])),
        '/presence': { target: relay, ws: true },
      },
    },
  };
});
