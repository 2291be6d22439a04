/** From a folder that has become a package to a .tgz that npm installs. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './bundle.mjs';

export const packagesFolder = join(root, 'build/packages');

/** What each of our package.json files says alike. */
export function commonManifest() {
  const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return { version, license, type: 'module', engines: { node: '>=22' } };
}

/** Versions as this repository has them locked: what was tested is what is installed. */
export function lockedVersions(names) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.fromEntries(names.map((name) => [name, packages[`node_modules/${name}`].version]));
}

/** Packs `folder` and tells where the tarball is, how big, and what it depends on. */
export function makeTarball(folder, manifest) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of ['LICENSE', 'NOTICE']) {
    if (existsSync(join(root, file))) copyFileSync(join(root, file), join(folder, file));
  }
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', packagesFolder];
  const output = execFileSync(npm, args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' });
  const [packed] = Object.values(JSON.parse(output));
  const path = join(packagesFolder, packed.filename.replace('@', '').replace('/', '-'));
  const dependencies = Object.entries(manifest.dependencies).map(([name, version]) => `${name}@${version}`);
  process.stdout.write(
    `${path}\n${kB(statSync(path).size)} packed, ${kB(packed.unpackedSize)} unpacked, ${packed.entryCount} files\n` +
      `depends on ${dependencies.join(', ')}\n`,
  );
  return path;
}

export function kB(bytes) {
  return `${Math.ceil(bytes / 1000).toLocaleString('en')} kB`;
}
