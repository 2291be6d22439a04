import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const scripts = fileURLToPath(new URL('.', import.meta.url));

/** A little repository with these files and our scripts. */
async function repository(t: TestContext, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'vessel-scripts-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await cp(scripts, join(root, 'scripts'), { recursive: true, filter: (path) => !path.endsWith('.test.ts') });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

function run(root: string, script: string, ...args: string[]) {
  // Inside a test file node:test would make the child report to us instead of running by itself.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', script), ...args], {
    encoding: 'utf8',
    env,
  });
  return { status, output: stdout + stderr, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

const head = "import { test } from 'node:test'; import assert from 'node:assert/strict';\n";
const passing = `${head}test('adds', () => assert.equal(1 + 1, 2)); test('has parts', async (t) => { await t.test('a part', () => {}); });`;

test('the last line counts, a skip is named with its reason, and all passing exits with 0', async (t) => {
  const root = await repository(t, {
    'a/good.test.ts': passing,
    'e2e/tab.test.ts': `${head}test('opens a tab', { skip: 'no browser' }, () => {}); test('is', () => {});`,
  });
  const { status, output, lastLine } = run(root, 'test.mjs', '--unit');
  assert.deepEqual([status, lastLine], [0, '3 passed, 0 failed'], output);
  const e2e = run(root, 'test.mjs', '--e2e');
  assert.deepEqual([e2e.status, e2e.lastLine], [0, '1 passed, 0 failed, 1 skipped']);
  assert.match(e2e.output, /- e2e\/tab\.test\.ts: opens a tab \(no browser\)/);
});

test('a failure is shown in full and counted; the other files still run', async (t) => {
  const bad = `${head}console.log('a hint'); test('subtracts', () => assert.equal(3 - 1, 1, 'wrong difference')); test('is fine', () => {});`;
  const root = await repository(t, { 'a/bad.test.ts': bad, 'b/good.test.ts': passing });
  const { status, output, lastLine } = run(root, 'test.mjs', '--unit');
  assert.deepEqual([status, lastLine], [1, '4 passed, 1 failed']);
  assert.match(output, /✗ subtracts \(a\/bad\.test\.ts:2.*wrong difference.*a hint/s);
});

test('a file that crashes, one without tests, and one that never ends each count as a failure', async (t) => {
  const root = await repository(t, {
    'a/crash.test.ts': `${head}throw new Error('at load');`,
    'a/empty.test.ts': 'export {};',
    'a/hang.test.ts': `${head}test('waits', () => {}); setInterval(() => {}, 1000);`,
  });
  const { status, output, lastLine } = run(root, 'test.mjs', '--unit', '--file-minutes', '0.1');
  assert.equal(status, 1);
  assert.match(lastLine ?? '', /^\d passed, [34] failed/);
  assert.match(output, /at load/);
  assert.match(output, /holds no tests/);
  assert.match(output, /did not end within/);
});

test('no test at all is a failure, and so is an unknown option', async (t) => {
  const root = await repository(t, {});
  const nothing = run(root, 'test.mjs', '--unit');
  assert.deepEqual([nothing.status, nothing.lastLine], [1, '0 passed, 0 failed']);
  assert.equal(run(root, 'test.mjs', '--wat').status, 2);
  assert.equal(run(root, 'test.mjs', '--help').status, 0);
});

test('--only picks files by path, --full is told to tests, and time that ran out counts as failed', async (t) => {
  const root = await repository(t, {
    'a/one.test.ts': `${head}test('full', () => assert.equal(process.env.VESSEL_FULL, '1'));`,
    'a/two.test.ts': passing,
  });
  assert.equal(run(root, 'test.mjs', '--only', 'one', '--full').lastLine, '1 passed, 0 failed');
  assert.equal(run(root, 'test.mjs', '--unit', '--minutes', '0.00001').lastLine, '0 passed, 2 failed');
});

test('an interrupted run takes its children with it', async (t) => {
  const root = await repository(t, {
    'a/slow.test.ts': `${head}import { writeFileSync } from 'node:fs'; test('sleeps', async () => { writeFileSync('pid', String(process.pid)); await new Promise((resolve) => setTimeout(resolve, 60000)); });`,
  });
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(root, 'scripts/test.mjs'), '--unit'], { stdio: 'ignore', env });
  const pidFile = join(root, 'pid');
  while (!existsSync(pidFile) || (await readFile(pidFile, 'utf8')) === '') await delay(50);
  const pid = Number(await readFile(pidFile, 'utf8'));
  child.kill('SIGINT');
  assert.equal((await once(child, 'exit'))[0], 130);
  await delay(100);
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('rules without a test, unknown citations and doubled rules are named', async (t) => {
  const spec =
    '# Spec\n**[FR1]** A frame.\n- **[FR2]** Another.\n**[FR3]** No test.\n**[FR3]** Twice.\nIn text [FR9] is nothing.\n';
  // Written in pieces, or these lines themselves would be citations.
  const call = (name: string) => `${'test'}('${name}', () => {});\n`;
  const cite = `${call('[FR1] [FR2] holds')}${call('[ZZ9] is not there')}${call('[M5] is a decision')}// [FR3] in a comment\n`;
  const root = await repository(t, { 'shared/protocol/SPEC.md': spec, 'provider/a.test.ts': cite });
  const { status, output } = run(root, 'spec-rules.mjs', root);
  assert.equal(status, 1);
  assert.match(
    output,
    /\[FR3\] is in SPEC\.md twice\n\[FR3\] has no test\n\[ZZ9\] is cited in provider\/a\.test\.ts:2 and not in SPEC\.md\n3 rules, 3 cited/,
  );
  await writeFile(join(root, 'shared/protocol/SPEC.md'), '**[FR1]** One.\n');
  await writeFile(join(root, 'provider/a.test.ts'), call('[FR1] is'));
  assert.equal(run(root, 'spec-rules.mjs', root).status, 0);
});

test('an npm that fails says why even when it was called with --silent', async (t) => {
  const root = await repository(t, {
    'package.json': JSON.stringify({ devDependencies: { node: process.versions.node }, dependencies: { 'no name': '1.0.0' } }),
    'package-lock.json': '{}',
    'relay/cli/find-browser.mjs': await readFile(join(scripts, '../relay/cli/find-browser.mjs'), 'utf8'),
  });
  const env = { ...process.env, npm_config_loglevel: 'silent' };
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs')], { encoding: 'utf8', env });
  assert.equal(status, 1);
  assert.match(stderr, /its last lines:\nnpm error/);
});

test('package-lock.json names every platform of a native package, or npm ci refuses it', async () => {
  const lock = JSON.parse(await readFile(join(scripts, '../package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; optionalDependencies?: Record<string, string> }>;
  };
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).filter(
      (name) => !lock.packages[`node_modules/${name}`]?.version && !lock.packages[`${path}/node_modules/${name}`]?.version,
    ),
  );
  assert.deepEqual(missing, []);
});
