import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordedIo } from '../../testing/command-io.ts';
import { UsageError } from './command.ts';
import { commands } from './commands.ts';
import { main } from './main.ts';
import { nearestName } from './nearest-name.ts';
import { parseCount } from './parse-options.ts';

async function run(...args: string[]) {
  const io = new RecordedIo({ VESSEL_HOME: '/nonexistent/vessel' });
  return { code: await main(args, io), out: io.out, err: io.err };
}

test('--help lists every command; each has help of its own and the same summary', async () => {
  const { code, out } = await run('--help');
  assert.equal(code, 0);
  for (const entry of commands) {
    assert.ok(out.includes(`  ${entry.name}`), entry.name);
    const command = await entry.load();
    assert.deepEqual([command.name, command.summary], [entry.name, entry.summary]);
    const help = await run(entry.name, '--help');
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`^usage: vessel ${entry.name}`));
  }
});

test('--version is that of package.json; no command at all is a wrong call', async () => {
  assert.match((await run('--version')).out, /^\d+\.\d+\.\d+/);
  const nothing = await run();
  assert.equal(nothing.code, 2);
  assert.match(nothing.out, /^usage: vessel <command>/);
});

test('a mistyped command is answered with the nearest one, a strange one without', async () => {
  const typo = await run('mdoel');
  assert.equal(typo.code, 2);
  assert.match(typo.err, /^error: there is no command "mdoel"; did you mean "model"\?\nhint: /);
  assert.doesNotMatch((await run('xyzzy')).err, /did you mean/);
  assert.equal(nearestName('strat', ['start', 'demo']), 'start');
});

test('wrong options exit with 2 and name the option; failures exit with 1 in one line with a code and a hint', async () => {
  const wrong = await run('data', '--wat');
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /^error: Unknown option '--wat'\nhint: vessel data --help/);
  const io = new RecordedIo({ VESSEL_HOME: new URL('.', import.meta.url).pathname });
  assert.equal(await main(['model', 'ls'], io), 1);
  assert.match(io.err, /^error: .* is not empty and not Vessel's .* \(forbidden\)\n$/);
});

test('an interrupted command exits with 130', async () => {
  const io = new RecordedIo({}, null, AbortSignal.abort());
  assert.equal(await main(['model', 'add', '/nonexistent', '--data', '/dev/null/x'], io), 130);
});

test('counts are whole numbers within bounds', () => {
  assert.equal(parseCount('4', 'tabs', 1, 8), 4);
  for (const wrong of ['0', '9', '1.5', '-1', 'x', '']) assert.throws(() => parseCount(wrong, 'tabs', 1, 8), UsageError);
});
