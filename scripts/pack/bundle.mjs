/** What the packages' bundles have in common. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Bundles ES modules, minified. Resolves to esbuild's metafile, paths in it relative to the repository. */
export async function bundle({ platform, plugins = [], external = [], banner, ...options }) {
  const isNode = platform === 'node';
  const { metafile } = await build({
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform,
    target: isNode ? 'node22' : 'es2023',
    minify: true,
    metafile: true,
    legalComments: 'none',
    logLevel: 'warning',
    external: isNode ? ['node-datachannel', ...external] : external,
    // `ws` looks for native helpers by these names; without them it does the same in JavaScript.
    define: isNode ? { 'process.env.WS_NO_BUFFER_UTIL': '"1"', 'process.env.WS_NO_UTF_8_VALIDATE': '"1"' } : {},
    // CommonJS packages inside an ES module still call require for Node's own modules.
    banner: { js: `${isNode ? requireBanner : ''}${banner ?? ''}` },
    plugins: [...plugins, zodByName],
    ...options,
  });
  return metafile;
}

const requireBanner =
  "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);\n";

/** esbuild keeps all of `z` (350 kB, most of it languages) unless it is imported as a namespace. */
const zodByName = {
  name: 'zod-by-name',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      if (!['shared', 'provider', 'sdk', 'relay'].some((place) => path.startsWith(join(root, place)))) return undefined;
      const source = await readFile(path, 'utf8');
      return { contents: source.replace("import { z } from 'zod'", "import * as z from 'zod'"), loader: 'ts' };
    });
  },
};

/** Names of the npm packages whose code is in a bundle. */
export function bundledPackages(metafile) {
  const folders = new Set();
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = bytesInOutput > 0 && /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replaceAll('\\', '/'))?.[0];
      if (folder) folders.add(folder);
    }
  }
  return [...folders].sort();
}
