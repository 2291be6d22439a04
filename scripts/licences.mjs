#!/usr/bin/env node
/** Every package that runs with Vessel (package-lock.json without development packages) has a licence that lets anyone use it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const allowed = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  'WTFPL',
  'Python-2.0',
  'Zlib',
]);

/**
 * Exceptions, read by a person. node-datachannel (WebRTC for Node, through @libp2p/webrtc) is MPL-2.0: its files stay under it, the
 * programs that load it unmodified do not come under it.
 */
const exceptions = new Map([
  ['node-datachannel', 'MPL 2.0'],
  ['@node-datachannel/*', 'MPL 2.0'],
]);

if (process.argv.includes('--help')) {
  process.stdout.write(`usage: node scripts/licences.mjs\n\nAllowed: ${[...allowed].join(', ')}\n`);
  process.exit(0);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const problems = [];
let count = 0;
for (const [path, entry] of Object.entries(packages)) {
  if (path === '' || entry.dev || entry.link) continue;
  count += 1;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const licence = entry.license ?? fromManifest(path);
  if (!isAllowed(licence) && !isException(name, licence))
    problems.push(`${name} ${entry.version}: ${licence ?? 'no licence given'}`);
}
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${count} packages, ${problems.length} without a permissive licence\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function isException(name, licence) {
  return exceptions.get(name) === licence || exceptions.get(name.replace(/\/.*/, '/*')) === licence;
}

function fromManifest(path) {
  const manifest = join(root, path, 'package.json');
  if (!existsSync(manifest)) return null; // An optional package of another platform.
  const { license, licenses } = JSON.parse(readFileSync(manifest, 'utf8'));
  return typeof license === 'string' ? license : (license?.type ?? licenses?.[0]?.type ?? null);
}

/** SPDX: with OR one side must be allowed, with AND each. Parentheses of one level are enough for npm's real world. */
function isAllowed(expression) {
  if (typeof expression !== 'string') return false;
  const plain = expression.replace(/[()]/g, ' ');
  return plain.split(/\bOR\b/).some((side) => side.split(/\bAND\b/).every((id) => allowed.has(id.trim())));
}
