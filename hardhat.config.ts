/** Contracts are compiled by solc from npm: nothing is downloaded. `npm run contracts` is their command. */
import { createRequire } from 'node:module';
import { defineConfig } from 'hardhat/config';

const solc = createRequire(import.meta.url).resolve('solc/soljson.js');

/** How long random tests run: 1,000 inputs by default, more in CI, few while mutants are tried. */
const count = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);

export default defineConfig({
  paths: {
    sources: 'contracts/src',
    tests: { solidity: 'contracts/test' },
    cache: 'build/contracts/cache',
    artifacts: 'build/contracts/artifacts',
  },
  solidity: {
    version: '0.8.37',
    path: solc,
    settings: { optimizer: { enabled: true, runs: 10_000 }, evmVersion: 'osaka' },
  },
  test: {
    solidity: {
      // A test warps the clock forward from a real date, so that time edges are as they are on a chain.
      blockTimestamp: 1_800_000_000n,
      // The hashing vectors that TypeScript writes and Solidity reads.
      fsPermissions: { readDirectory: ['shared/receipts'] },
      fuzz: { runs: count('VESSEL_FUZZ_RUNS', 1_000) },
      invariant: {
        runs: count('VESSEL_INVARIANT_RUNS', 64),
        depth: count('VESSEL_INVARIANT_DEPTH', 32),
        failOnRevert: true,
      },
    },
  },
});
