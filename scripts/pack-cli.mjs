#!/usr/bin/env node
/**
 * Makes build/packages/vessel-<version>.tgz: the command `vessel` with the page and the default model, laid out below its
 * package.json as in the repository. Builds the page only where there is none; `npm run pack:cli` always builds it first.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root } from './pack/bundle.mjs';
import { commonManifest, lockedVersions, makeTarball, packagesFolder } from './pack/make-tarball.mjs';
import { thirdPartyLicences } from './pack/third-party-licences.mjs';

const folder = join(packagesFolder, 'cli');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

if (!existsSync(join(root, 'dist/web/index.html'))) {
  execFileSync(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build', 'web'], { cwd: root, stdio: 'inherit' });
}

/**
 * ONNX Runtime's own files are 14 MB and lie in the page's folder already: Node takes them from there. Its package, with every
 * other build in it, is 140 MB and not needed.
 */
const ortFromPage = {
  name: 'ort-from-page',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      const inPackage = /import\.meta\.resolve\('onnxruntime-web\/([\w.-]+)'\)/g;
      if (!inPackage.test(source)) return undefined;
      const contents = source.replace(inPackage, (_, file) => {
        if (!existsSync(join(root, 'dist/web/ort', file))) throw new Error(`the page has no ort/${file}`);
        return `new URL('web/ort/${file}', import.meta.url).href`;
      });
      return { contents, loader: 'ts' };
    });
  },
};

const metafile = await bundle({
  platform: 'node',
  entryPoints: { vessel: 'relay/cli/main.ts' },
  outdir: join(folder, 'dist'),
  // A subcommand loads what it needs; all files lie side by side, so that import.meta.url means dist/ in each of them.
  splitting: true,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunk-[hash]',
  // `vite` builds a missing page in the repository; a package has its page.
  external: ['playwright-core', 'vite', '@electric-sql/pglite', 'pg'],
  plugins: [ortFromPage],
});
writeFileSync(join(packagesFolder, 'cli-metafile.json'), JSON.stringify(metafile));

for (const path of ['bin', 'dist/web', 'public/models']) {
  cpSync(join(root, path), join(folder, path), { recursive: true });
}
cpSync(join(root, 'scripts/pack/cli-readme.md'), join(folder, 'README.md'));

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
// Command and page together hold the code of everything Vessel runs with, except what is installed beside it.
const isInstalled = (path) =>
  /node-datachannel|playwright-core|react-native-webrtc|pglite|@foundry-rs|node_modules\/pg/.test(path);
const shipped = Object.keys(packages).filter(
  (path) => path !== '' && !packages[path].dev && !isInstalled(path) && existsSync(join(root, path)),
);
writeFileSync(join(folder, 'THIRD_PARTY_LICENSES'), thirdPartyLicences(shipped));

makeTarball(folder, {
  name: 'vessel',
  description: 'A compute network of browser tabs: layers of open AI models run in tabs that talk peer to peer.',
  ...commonManifest(),
  // What bin/vessel.mjs can read; it gets itself a newer Node to run under.
  engines: { node: '>=18' },
  bin: { vessel: 'bin/vessel.mjs' },
  files: ['bin', 'dist', 'public', 'THIRD_PARTY_LICENSES'],
  // WebRTC for Node; the driver of the headless browser of `start` and `demo`; the books; the local chain.
  dependencies: lockedVersions(['node-datachannel', 'playwright-core', '@electric-sql/pglite', 'pg', '@foundry-rs/anvil']),
});
