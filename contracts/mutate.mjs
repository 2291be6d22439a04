/**
 * Changes the contracts one small thing at a time and runs their tests on each change: a mutant that no test notices is a line
 * that no test means. `contracts/mutants.json` lists those that may live, each with the reason.
 *
 *   node contracts/mutate.mjs [--only Asset] [--fresh] [--list]
 *
 * What became of each mutant is kept in build/mutants until the contract changes, so a run goes on where it was stopped; after a change
 * of tests only those that lived are tried again. `--fresh` forgets all that.
 *
 * Exits 1 for a survivor without a reason, and for a reason whose mutant no longer lives.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { contractNames, MutantTests, readContract } from './mutant-tests.mjs';
import { applyMutant, describeMutant, mutantsOf } from './mutants-of.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Mutants compiled at a time: most of the time goes into the libraries, once for all. */
const batch = 8;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    fresh: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const keptFile = (name) => join(root, `build/mutants/${name}.json`);

/** Outcomes by number of mutant: 'killed' (and by which test), 'invalid' or 'lived'. */
function readKept(name, source, digest) {
  const none = { source: createHash('sha256').update(source).digest('hex'), tests: digest, outcomes: {} };
  if (options.fresh) return none;
  try {
    const kept = JSON.parse(readFileSync(keptFile(name), 'utf8'));
    if (kept.source !== none.source) return none;
    if (kept.tests !== digest)
      kept.outcomes = Object.fromEntries(Object.entries(kept.outcomes).filter(([, { outcome }]) => outcome !== 'lived'));
    return { ...kept, tests: digest };
  } catch {
    return none;
  }
}

async function tryAll(name, source, mutants) {
  const tests = new MutantTests(name);
  const failure = await tests.failure();
  if (failure !== undefined) throw new Error(`The tests of ${name} fail without any mutant: ${failure}`);
  const kept = readKept(name, source, tests.digest);
  const open = mutants.map((_, index) => index).filter((index) => kept.outcomes[index] === undefined);
  mkdirSync(join(root, 'build/mutants'), { recursive: true });
  for (let from = 0; from < open.length; from += batch) {
    const some = open.slice(from, from + batch);
    const versions = tests.compileAll(some.map((index) => applyMutant(source, mutants[index])));
    for (const [at, index] of some.entries()) {
      const by = versions[at] && (await tests.failure(versions[at]));
      kept.outcomes[index] =
        versions[at] === null ? { outcome: 'invalid' } : by ? { outcome: 'killed', by } : { outcome: 'lived' };
    }
    writeFileSync(keptFile(name), JSON.stringify(kept));
  }
  return mutants.map((_, index) => kept.outcomes[index].outcome);
}

async function mutateContract(name, explained) {
  const path = `contracts/src/${name}.sol`;
  const source = readContract(name);
  const mutants = mutantsOf(source);
  const counts = { killed: 0, invalid: 0, explained: 0, survived: 0 };
  if (options.list) {
    for (const mutant of mutants) console.log(`${path}:${mutant.line}: ${describeMutant(mutant)}`);
    return counts;
  }
  const outcomes = await tryAll(name, source, mutants);
  for (const [index, outcome] of outcomes.entries()) {
    const mutant = mutants[index];
    const change = describeMutant(mutant);
    const reason = explained.find((entry) => entry.contract === name && entry.code === mutant.code && entry.change === change);
    if (outcome !== 'lived') counts[outcome]++;
    else if (reason !== undefined) {
      counts.explained++;
      reason.lives = true;
    } else {
      counts.survived++;
      console.log(`${path}:${mutant.line}: lives: ${JSON.stringify({ contract: name, code: mutant.code, change })}`);
    }
  }
  console.log(`${name}: ${mutants.length} mutants`, counts);
  return counts;
}

const explained = JSON.parse(readFileSync(join(root, 'contracts/mutants.json'), 'utf8'));
const names = contractNames().filter((name) => options.only === undefined || options.only === name);
if (names.length === 0) throw new Error(`There is no contract ${options.only} in contracts/src.`);

let survived = 0;
for (const name of names) survived += (await mutateContract(name, explained)).survived;
const stale = options.list ? [] : explained.filter((entry) => names.includes(entry.contract) && !entry.lives);
for (const entry of stale) console.log(`No longer lives, take it out of mutants.json: ${JSON.stringify(entry)}`);
process.exit(survived > 0 || stale.length > 0 ? 1 : 0);
