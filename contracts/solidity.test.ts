/**
 * Every Solidity test, fuzz test and invariant as a test of its own here; `--full` runs ten times the inputs. One file, as Hardhat's cache has
 * room for one run at a time.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runHardhat } from './run-hardhat.ts';

const isFull = process.env.VESSEL_FULL === '1';
const figures = isFull
  ? { VESSEL_FUZZ_RUNS: '10000', VESSEL_INVARIANT_RUNS: '256', VESSEL_INVARIANT_DEPTH: '64' }
  : { VESSEL_FUZZ_RUNS: '1000', VESSEL_INVARIANT_RUNS: '64', VESSEL_INVARIANT_DEPTH: '32' };
const { tests, code, output } = await runHardhat([], figures);

test('the contracts compile and their tests run', () => {
  assert.ok(tests.length > 0, output.slice(-4000));
  if (tests.every(({ passed }) => passed)) assert.equal(code, 0, output.slice(-4000));
});

for (const { place, name, passed, report } of tests) {
  test(`${place.replace(/^.*\//, '')} ${name}`, () => assert.ok(passed, report));
}

test('all lines of contracts/src are covered by the Solidity tests', async () => {
  const { code, output } = await runHardhat(['--coverage'], {
    VESSEL_FUZZ_RUNS: '20',
    VESSEL_INVARIANT_RUNS: '4',
    VESSEL_INVARIANT_DEPTH: '32',
  });
  assert.equal(code, 0, output.slice(-4000));
  const lcov = await readFile(fileURLToPath(new URL('../coverage/lcov.info', import.meta.url)), 'utf8');
  const files = lcov.split('end_of_record').filter((record) => /SF:.*contracts\/src\//.test(record));
  assert.ok(files.length > 0, lcov.slice(0, 1000));
  const missed = files.flatMap((record) => {
    const file = /SF:(.*)/.exec(record)![1]!;
    return [...record.matchAll(/^DA:(\d+),0$/gm)].map(([, line]) => `${file}:${line}`);
  });
  assert.deepEqual(missed, []);
});

test('no transaction costs more gas than contracts/gas.json says', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('gas.mjs', import.meta.url)), '--check']);
  console.log(stdout);
});
