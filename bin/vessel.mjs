#!/usr/bin/env node
/**
 * The `vessel` command. The repository's sources need Node 24, the installed package Node 22; under an older one this file starts
 * itself again with a newer Node that npm has or gets. Plain JavaScript that any Node 18 can read.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'relay/cli/main.ts');
const isRepository = existsSync(source);
const neededMajor = isRepository ? 24 : 22;

if (isRepository && !existsSync(join(root, 'node_modules'))) {
  const code = await runToEnd(process.execPath, [join(root, 'scripts/setup.mjs'), '--no-browser'], 'inherit');
  if (code !== 0) process.exit(code);
}

if (Number(process.versions.node.split('.')[0]) >= neededMajor) await runHere();
else
  process.exit(
    await runToEnd(
      findNode(),
      [fileURLToPath(import.meta.url), ...process.argv.slice(2)],
      ['inherit', 'inherit', 'inherit', 'ipc'],
    ),
  );

async function runHere() {
  if (process.send) {
    // Started by an older Node through this file: when that process is killed without a chance to pass it on, end too.
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
    process.channel?.unref();
  }
  const { main } = await import(pathToFileURL(isRepository ? source : join(root, 'dist/vessel.mjs')).href).catch(explainImport);
  process.exitCode = await main(process.argv.slice(2));
  // All is closed and nothing is left to do; a native WebRTC connection that was given up midway would still keep us alive.
  setTimeout(() => process.exit(), 1000).unref();
}

function explainImport(error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || /relay.cli|dist.vessel/.test(error.message.split('imported from')[0])) throw error;
  const advice = isRepository
    ? 'run npm start or npm install in the repository'
    : 'install the package again (npm install vessel)';
  process.stderr.write(`error: a package Vessel needs is not installed: ${advice}\n  ${error.message}\n`);
  process.exit(1);
}

/** A new enough Node from the `node` package in any node_modules folder above this file, or through npm. */
function findNode() {
  for (let folder = root; ; folder = dirname(folder)) {
    const manifest = join(folder, 'node_modules/node/package.json');
    const program = join(folder, 'node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (
      existsSync(manifest) &&
      existsSync(program) &&
      Number.parseInt(JSON.parse(readFileSync(manifest, 'utf8')).version, 10) >= neededMajor
    ) {
      return program;
    }
    if (dirname(folder) === folder) break;
  }
  const need = `Vessel needs Node ${neededMajor}${isRepository ? '' : ' or later'} and this is ${process.versions.node}`;
  const fetched = isRepository ? null : fetchNode(need);
  if (fetched) return fetched;
  const advice = isRepository
    ? 'run npm start or npm install in the repository: it brings its own'
    : 'npm could not get a newer one; install Node 24 from https://nodejs.org';
  process.stderr.write(`error: ${need}: ${advice}\n`);
  process.exit(1);
}

/** Node 24 out of npm's cache or the registry; npm keeps it, so only the first time takes long. Null when npm fails. */
function fetchNode(need) {
  process.stderr.write(`${need}: using Node 24 through npm, which gets it once\n`);
  const args = ['exec', '--yes', '--prefer-offline', '--package=node@24', '--', 'node', '-p', 'process.execPath'];
  const npm = process.env.npm_execpath;
  const stdio = ['ignore', 'pipe', 'inherit'];
  // Started by npx, we know which npm; else it is the one on the PATH, on Windows a script that needs a shell.
  const { status, stdout } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm.replace(/npx-cli\.js$/, 'npm-cli.js'), ...args], { stdio, encoding: 'utf8' })
    : spawnSync('npm', args, { stdio, encoding: 'utf8', shell: process.platform === 'win32' });
  const program = status === 0 ? stdout.trim().split('\n').at(-1) : '';
  return program && existsSync(program) && program !== process.execPath ? program : null;
}

/** Runs a program with our terminal, passes signals on, and resolves to its exit code. */
function runToEnd(program, args, stdio) {
  const child = spawn(program, args, { stdio });
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well; passing it on would make it count twice.
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`error: ${program} does not start: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
