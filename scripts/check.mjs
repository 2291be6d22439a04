#!/usr/bin/env node
/** Everything that can be said about the code without running it: types, lint, format, import cycles, SPEC rules, licences. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `script` is a JavaScript file for Node. The one-way imports between places are part of the types: each place's tsconfig sees only what it may. */
export const checks = [
  { name: 'types and import directions', script: 'node_modules/typescript/bin/tsc', args: ['-b'] },
  { name: 'lint, format and import cycles', script: 'node_modules/@biomejs/biome/bin/biome', args: ['ci', '--colors=off', '.'] },
  { name: 'SPEC rules and tests match', script: 'scripts/spec-rules.mjs', args: [] },
  { name: 'licences of what we ship with', script: 'scripts/licences.mjs', args: [] },
];

/** Resolves to {code, output}. `track` is told of the child so that a caller can end it. */
export function runCheck({ script, args }, track = () => {}) {
  return new Promise((resolve) => {
    const own = join(root, 'node_modules/.bin/node');
    const program = existsSync(own) ? own : process.execPath;
    let output = '';
    const child = spawn(program, [join(root, script), ...args], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    track(child);
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

async function main(args) {
  if (args.length > 0) {
    process.stdout.write(`usage: npm run check\n\nRuns, in this order: ${checks.map((check) => check.name).join('; ')}.\n`);
    process.exitCode = args[0] === '--help' || args[0] === '-h' ? 0 : 2;
    return;
  }
  const children = new Set();
  const stop = () => {
    for (const child of children) child.kill('SIGTERM');
    process.exit(130);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  for (const check of checks) {
    const started = Date.now();
    const { code, output } = await runCheck(check, (child) => children.add(child));
    process.stdout.write(`${code === 0 ? '✓' : '✗'} ${check.name}  ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
    if (code === 0) continue;
    process.stdout.write(`${output.trimEnd()}\n`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.slice(2));
