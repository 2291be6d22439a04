/**
 * Installs the packages of package-lock.json with the Node version that package.json pins: npm under an older Node silently
 * leaves out optional native packages that ask for a newer one.
 */
import { createHash } from 'node:crypto';
import fs, { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastLines, runWithClock, SetupError, say } from './report.mjs';

/** Packages take about 0.7 GB installed, as much again while npm unpacks them. */
const diskNeededBytes = 1.5e9;

export function areDependenciesReady(root) {
  return readStamp(root) === wantedStamp(root) && existsSync(nodePath(root));
}

export async function ensureDependencies(root, { isOffline }) {
  if (areDependenciesReady(root)) return;
  const wanted = wantedStamp(root);
  if (matchesLockfile(root)) return writeStamp(root, wanted); // `npm ci` or `npm install` by hand was enough.
  if (isOffline) {
    throw new SetupError(
      'the packages in node_modules do not match package-lock.json, and VESSEL_SETUP_OFFLINE forbids downloads',
      'Unset VESSEL_SETUP_OFFLINE, or run npm ci.',
    );
  }
  checkDisk(root);
  await install(root);
  if (!matchesLockfile(root)) {
    throw new SetupError(
      'npm ended well but packages for this platform are missing',
      'Delete node_modules and run the command again.',
    );
  }
  writeStamp(root, wanted);
}

async function install(root) {
  const pinned = readJson(join(root, 'package.json')).devDependencies.node;
  const npm = findNpm();
  const isNewEnough = Number(process.versions.node.split('.')[0]) >= Number(pinned.split('.')[0]);
  const under = isNewEnough ? [npm] : [npm, 'exec', '--yes', `--package=node@${pinned}`, '--', 'node', npm];
  const what = `installing packages${isNewEnough ? '' : ` under Node ${pinned}`} (about 650 MB on disk)`;
  // `npm test --silent` would silence this npm too, and with it the reason why it failed.
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  const run = (...args) => runWithClock(what, process.execPath, [...under, ...args, ...options], { cwd: root });
  let result = await run('ci');
  if (result.code !== 0 && isOutOfSync(result.output)) {
    say('package.json and package-lock.json disagree: installing what package.json asks for, the lockfile stays as it is');
    result = await run('install', '--no-save');
  }
  if (result.code === 0) return say(`packages installed in ${result.seconds} s`);
  say(`npm failed${result.code === null ? '' : ` with code ${result.code}`}; its last lines:\n${lastLines(result.output, 15)}`);
  throw explain(result.output);
}

const isOutOfSync = (output) => /EUSAGE/.test(output) && /in sync/.test(output);

/** npm's own failure, as a sentence and one thing to do. */
function explain(output) {
  if (/ENOSPC/.test(output)) return new SetupError('the disk is full', 'Free about 1.5 GB and run the command again.');
  if (/EACCES|EPERM/.test(output))
    return new SetupError('npm may not write here', 'Check who owns this folder and the npm cache (npm config get cache).');
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET/.test(output)) {
    return new SetupError(
      'the npm registry cannot be reached',
      'Check the network and npm config get registry, then run the command again.',
    );
  }
  if (/EINTEGRITY/.test(output))
    return new SetupError('a package does not match its checksum', 'Run npm cache clean --force, then the command again.');
  return new SetupError(
    'the packages could not be installed',
    'Run the command again; if it stays so, run npm ci to see everything npm says.',
  );
}

function checkDisk(root) {
  if (typeof fs.statfsSync !== 'function') return; // Node before 18.15.
  const { bavail, bsize } = fs.statfsSync(root);
  const free = bavail * bsize;
  if (free < diskNeededBytes) {
    throw new SetupError(`only ${(free / 1e9).toFixed(1)} GB are free here`, `About ${diskNeededBytes / 1e9} GB are needed.`);
  }
}

/** npm's entry file: the npm that started us, else the one beside this Node, else the one on the path. */
function findNpm() {
  const beside = dirname(process.execPath);
  const places = [
    process.env.npm_execpath,
    join(beside, '../lib/node_modules/npm/bin/npm-cli.js'),
    join(beside, 'node_modules/npm/bin/npm-cli.js'),
    ...(process.env.PATH ?? '').split(':').map((folder) => join(folder, '../lib/node_modules/npm/bin/npm-cli.js')),
    '/usr/share/nodejs/npm/bin/npm-cli.js',
  ];
  const found = places.find((place) => place?.endsWith('npm-cli.js') && existsSync(place));
  if (found) return found;
  throw new SetupError('npm is missing', 'Install npm (Debian: sudo apt-get install -y npm) and run npm start again.');
}

/**
 * Whether node_modules holds what the lockfile asks for on this platform. npm writes what it installed into
 * node_modules/.package-lock.json; optional packages count when they name this system and processor.
 */
function matchesLockfile(root) {
  const hidden = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(hidden) || !existsSync(nodePath(root))) return false;
  const wanted = readJson(join(root, 'package-lock.json')).packages;
  const installed = readJson(hidden).packages;
  const isMissing = ([path, entry]) =>
    path !== '' &&
    !entry.link &&
    isNeededHere(entry) &&
    (installed[path]?.version !== entry.version || !existsSync(join(root, path, 'package.json')));
  return !Object.entries(wanted).some(isMissing);
}

function isNeededHere(entry) {
  if (!entry.optional) return true;
  if (!entry.os || !entry.cpu) return false;
  const libcFits = !entry.libc || process.platform !== 'linux' || entry.libc.includes(linuxLibc());
  return entry.os.includes(process.platform) && entry.cpu.includes(process.arch) && libcFits;
}

let libc = null;
function linuxLibc() {
  libc ??= process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  return libc;
}

const stampPath = (root) => join(root, 'node_modules/.vessel-setup');
const nodePath = (root) => join(root, 'node_modules/.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

function wantedStamp(root) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const node = readJson(join(root, 'package.json')).devDependencies.node;
  return `${JSON.stringify({ lock, node, platform: process.platform, arch: process.arch })}\n`;
}

function readStamp(root) {
  try {
    return readFileSync(stampPath(root), 'utf8');
  } catch {
    return null;
  }
}

function writeStamp(root, text) {
  writeFileSync(stampPath(root), text);
}
