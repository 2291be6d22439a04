#!/usr/bin/env node
/**
 * shared/protocol/SPEC.md and the tests match one to one: every rule (`**[FR3]** …` at the start of a line) is cited by the
 * name of at least one test (`[FR3] refuses …`), and every citation in a test's name is a rule. Ids of one letter (`[M5]`) are
 * design decisions, not rules.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const usage = 'usage: node scripts/spec-rules.mjs [folder]\n\nChecks that SPEC.md and test names cite the same rules.\n';
if (process.argv.includes('--help')) {
  process.stdout.write(usage);
  process.exit(0);
}
const root = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const specPath = join(root, 'shared/protocol/SPEC.md');
const problems = [];

const rules = readRules();
const citations = findTests(root).flatMap(readCitations);
const cited = new Set(citations.map(({ rule }) => rule));
for (const rule of rules) if (!cited.has(rule)) problems.push(`[${rule}] has no test`);
for (const { rule, place } of citations) if (!rules.has(rule)) problems.push(`[${rule}] is cited in ${place} and not in SPEC.md`);

for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${rules.size} rules, ${cited.size} cited by tests, ${problems.length} problems\n`);
process.exitCode = problems.length > 0 ? 1 : 0;

function readRules() {
  if (!existsSync(specPath)) {
    problems.push('shared/protocol/SPEC.md is missing');
    return new Set();
  }
  const found = [...readFileSync(specPath, 'utf8').matchAll(/^(?:[-*] )?\*\*\[([A-Z]+\d+)\]\*\*/gm)].map((match) => match[1]);
  const set = new Set();
  for (const rule of found) {
    if (!/^[A-Z]{2}/.test(rule)) problems.push(`[${rule}] in SPEC.md needs two letters or more: one letter is a design decision`);
    if (set.has(rule)) problems.push(`[${rule}] is in SPEC.md twice`);
    set.add(rule);
  }
  if (set.size === 0) problems.push('SPEC.md holds no rules');
  return set;
}

/** Ids in the names given to test(), it() and describe(); one name may cite several. */
function readCitations(path) {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/\b(?:test|it|describe|suite)(?:\.\w+)?\(\s*(['"`])((?:(?!\1).)*)\1/gs)].flatMap((match) =>
    [...match[2].matchAll(/\[([A-Z]{2,}\d+)\]/g)].map((id) => ({
      rule: id[1],
      place: `${relative(root, path)}:${text.slice(0, match.index).split('\n').length}`,
    })),
  );
}

function findTests(folder) {
  const ignored = new Set(['node_modules', 'build', 'dist', 'coverage']);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || ignored.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return findTests(path);
    return /\.test\.(ts|tsx|mjs)$/.test(entry.name) ? [path] : [];
  });
}
