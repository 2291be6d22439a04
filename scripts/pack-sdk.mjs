#!/usr/bin/env node
/** Makes build/packages/vessel-sdk-<version>.tgz: what an asker needs, for browsers and for Node, with its types. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundle, bundledPackages, root } from './pack/bundle.mjs';
import { commonManifest, kB, lockedVersions, makeTarball, packagesFolder } from './pack/make-tarball.mjs';
import { rollUpTypes } from './pack/roll-up-types.mjs';
import { thirdPartyLicences } from './pack/third-party-licences.mjs';

const folder = join(packagesFolder, 'sdk');
rmSync(folder, { recursive: true, force: true });
mkdirSync(join(folder, 'dist'), { recursive: true });

const metafiles = {};
for (const platform of ['browser', 'node']) {
  const outfile = join(folder, `dist/${platform}.js`);
  metafiles[platform] = await bundle({ platform, entryPoints: ['sdk/index.ts'], outfile });
  const code = readFileSync(outfile);
  process.stdout.write(`${platform}.js ${kB(code.length)}, ${kB(gzipSync(code).length)} gzipped\n`);
}
writeFileSync(join(packagesFolder, 'sdk-metafiles.json'), JSON.stringify(metafiles));

execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'scripts/pack/sdk-types.tsconfig.json'], {
  cwd: root,
  stdio: 'inherit',
});
writeFileSync(join(folder, 'dist/index.d.ts'), rollUpTypes(join(packagesFolder, 'sdk-types/sdk/index.d.ts')));

copyFileSync(join(root, 'scripts/pack/sdk-readme.md'), join(folder, 'README.md'));
const packages = new Set(Object.values(metafiles).flatMap(bundledPackages));
writeFileSync(join(folder, 'THIRD_PARTY_LICENSES'), thirdPartyLicences(packages));

makeTarball(folder, {
  name: '@vessel/sdk',
  description: 'Ask a model that runs in browser tabs, from a browser or from Node.',
  ...commonManifest(),
  exports: {
    '.': {
      types: './dist/index.d.ts',
      browser: './dist/browser.js',
      node: './dist/node.js',
      default: './dist/browser.js',
    },
    './package.json': './package.json',
  },
  types: './dist/index.d.ts',
  sideEffects: false,
  files: ['dist', 'THIRD_PARTY_LICENSES'],
  // WebRTC for Node, native; a bundle for browsers never imports it.
  dependencies: lockedVersions(['node-datachannel']),
});
