/** The engine itself, on decoders with bugs that are known. */
import assert from 'node:assert/strict';
import { stripTypeScriptTypes } from 'node:module';
import { describe, test } from 'node:test';
import { countersName, instrument } from './instrument.ts';
import { runTarget } from './run-target.ts';

const planted = (name: string) => new URL(`./testing/${name}.ts`, import.meta.url).href;
const decoded = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array(0));

describe('what a decoder must not do is found, with the input that made it', { concurrency: 2 }, () => {
  test('a crash behind six comparisons is found by guidance, made small, and not found without', async () => {
    const options = { inputs: 200_000, seed: 1 };
    const { findings, blocks } = await runTarget(planted('deep-crash'), options);
    assert.deepEqual(
      findings.map(({ kind, name }) => [kind, name]),
      [['crash', 'TypeError in decode deep-crash.ts']],
    );
    assert.equal(decoded(findings[0]!.input), 'VESSEL');
    const blind = await runTarget(planted('deep-crash'), { ...options, isGuided: false });
    assert.deepEqual(blind.findings, []);
    assert.ok(blind.blocks < blocks);
  });

  test('the same seed gives the same run', async () => {
    const run = async (seed: number) => {
      const { blocks, answers, kept, findings } = await runTarget(planted('deep-crash'), { inputs: 20_000, seed });
      return { blocks, answers, kept, findings };
    };
    assert.deepEqual(await run(7), await run(7));
  });

  test('an input that never ends', async () => {
    const { findings } = await runTarget(planted('endless'), { inputs: 5000, seed: 1, hangMs: 1000 });
    assert.equal(findings[0]?.kind, 'hang');
    assert.match(decoded(findings[0]?.input), /^!/);
  });

  test('an input that allocates far more than it is long', async () => {
    const { findings } = await runTarget(planted('allocates'), { inputs: 500, seed: 1 });
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['allocation'],
    );
  });

  test('an input that takes seconds', async () => {
    const { findings } = await runTarget(planted('slow'), { inputs: 500, seed: 1 });
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['slow'],
    );
  });

  test('memory that is kept from input to input', async () => {
    const { findings } = await runTarget(planted('keeps'), { inputs: 5000, seed: 1 });
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      ['growth'],
    );
  });

  test('an input that ends the whole process', async () => {
    const { findings } = await runTarget(planted('aborts'), { inputs: 5000, seed: 1 });
    assert.deepEqual(
      findings.map(({ kind, name }) => [kind, name]),
      [['memory', 'ends the process']],
    );
    assert.match(decoded(findings[0]?.input), /^!/);
  });
});

test('counters change nothing of what a module does, nor its lines', async () => {
  const source = `
    const pick = (a: number, b = a > 1 ? 2 : 3): string => (a && b > 1 ? \`\${a}\` : 'no');
    function sort(list: number[]): number[] {
      if (list.length < 2) return list; else if (list[0]! > 9) return [9];
      const [first = 0, ...rest] = list;
      return [...sort(rest.filter((x) => x < first)), first, ...sort(rest.filter((x) => x >= first))];
    }
    const kind = (x: unknown) => {
      switch (typeof x) { case 'number': case 'bigint': return 'n'; case 'string': return 's'; default: try { throw x; } catch { return 'o'; } }
    };
    const make = () => ({ a: 1 });
    let n = 0;
    do n++; while (n < 3);
    for (const x of [1, 2]) if (x > 1) n += x;
    export const result = [pick(0), pick(1), pick(2), sort([3, 1, 2, 3]), kind(1), kind('a'), kind(null), make(), n];`;
  let used = 0;
  const words = new Set<string>();
  const instrumented = instrument(source, 'ts', () => used++, { words, numbers: new Set() });
  assert.equal(instrumented.split('\n').length, source.split('\n').length);
  assert.ok(words.has('bigint'));
  const counters = new Uint8Array(used);
  Object.assign(globalThis, { [countersName]: counters });
  const { result } = await import(`data:text/javascript,${encodeURIComponent(stripTypeScriptTypes(instrumented))}`);
  assert.deepEqual(result, ['no', '1', '2', [1, 2, 3, 3], 'n', 's', 'o', { a: 1 }, 5]);
  assert.ok(counters.filter((count) => count > 0).length > 20);
});
