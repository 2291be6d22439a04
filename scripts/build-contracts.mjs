#!/usr/bin/env node
/**
 * Compiles the contracts with solc from npm, by the settings of hardhat.config.ts, and writes shared/chain/<name>.ts: ABI, creation code, and
 * what the deployed code must hash to. `--check` writes nothing and fails when a file is not what the sources give. `--standard-json`
 * prints the compiler's input, as block explorers want it.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'shared/chain');
const require = createRequire(import.meta.url);

/** File in shared/chain and name of its constants, by contract. */
export const contracts = {
  AIC: { file: 'aic', constant: 'aic' },
  Accounts: { file: 'accounts', constant: 'accounts' },
  Asset: { file: 'asset', constant: 'asset' },
  ServiceRegistry: { file: 'service-registry', constant: 'serviceRegistry' },
  ComputeLedger: { file: 'compute-ledger', constant: 'computeLedger' },
  PaymentGate: { file: 'payment-gate', constant: 'paymentGate' },
  Payroll: { file: 'payroll', constant: 'payroll' },
};

const settings = { optimizer: { enabled: true, runs: 10_000 }, evmVersion: 'osaka' };

const sourceOf = (name) => `contracts/src/${name}.sol`;

/** Every source a compilation of `paths` reads, by the name the compiler calls it. */
function readSources(paths) {
  const sources = {};
  const visit = (name) => {
    if (sources[name]) return;
    const content = readFileSync(join(root, name.startsWith('contracts/') ? name : `node_modules/${name}`), 'utf8');
    sources[name] = { content };
    for (const [, imported] of content.matchAll(/^\s*import\b[^;]*?["']([^"']+)["']/gm)) {
      visit(imported.startsWith('.') ? join(name, '..', imported).replaceAll('\\', '/') : imported);
    }
  };
  for (const path of paths) visit(path);
  return Object.fromEntries(Object.entries(sources).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function standardInput() {
  return {
    language: 'Solidity',
    sources: readSources(Object.keys(contracts).map(sourceOf)),
    settings: {
      ...settings,
      outputSelection: {
        '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences'] },
      },
    },
  };
}

/** Maps file name to content for all of shared/chain. Throws with the compiler's words. */
export function generate() {
  const solc = require('solc');
  const input = standardInput();
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const compiler = solc.version().replace(/\.Emscripten.*$/, '');
  const files = {};
  for (const [name, { file, constant }] of Object.entries(contracts)) {
    const { abi, evm } = output.contracts[sourceOf(name)][name];
    files[`${file}.ts`] = render(name, constant, abi, evm);
  }
  files['compiler.ts'] = `${header('all contracts')}
/** What block explorers are told when they verify the source. */
export const compilerVersion = 'v${compiler}';
`;
  return files;
}

function render(name, constant, abi, evm) {
  const immutables = Object.values(evm.deployedBytecode.immutableReferences ?? {})
    .flat()
    .map(({ start, length }) => [start, length])
    .sort(([a], [b]) => a - b);
  const runtime = Buffer.from(evm.deployedBytecode.object, 'hex');
  const entries = abi.map((entry) => `  ${JSON.stringify(entry)},\n`).join('');
  return `${header(sourceOf(name))}
export const ${constant}Abi = [
${entries}] as const;

export const ${constant}Bytecode = '0x${evm.bytecode.object}';

/** sha2-256 of the deployed code with the places of its immutables (offset, length in bytes) as zeros. */
export const ${constant}Runtime = {
  digest: '0x${createHash('sha256').update(runtime).digest('hex')}',
  bytes: ${runtime.length},
  immutables: ${JSON.stringify(immutables)},
} as const;
`;
}

const header = (source) => `/** Made from ${source} by scripts/build-contracts.mjs. Do not edit. */\n`;

function main(args) {
  if (args.includes('--standard-json')) {
    process.stdout.write(`${JSON.stringify(standardInput())}\n`);
    return;
  }
  const isCheck = args.includes('--check');
  const files = generate();
  mkdirSync(target, { recursive: true });
  const strangers = readdirSync(target).filter((file) => !(file in files));
  const changed = Object.keys(files).filter((file) => {
    const path = join(target, file);
    return !existsSync(path) || readFileSync(path, 'utf8') !== files[file];
  });
  if (isCheck) {
    for (const file of [...changed, ...strangers]) process.stderr.write(`shared/chain/${file} is not what the sources give\n`);
    if (changed.length + strangers.length > 0) {
      process.stderr.write('run: node scripts/build-contracts.mjs\n');
      process.exitCode = 1;
    }
    return;
  }
  for (const file of strangers) rmSync(join(target, file));
  for (const file of changed) writeFileSync(join(target, file), files[file]);
  process.stdout.write(`${changed.length} of ${Object.keys(files).length} files in shared/chain changed\n`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main(process.argv.slice(2));
