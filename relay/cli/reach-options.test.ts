import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { UsageError } from './command.ts';
import { coturnOf, readReach } from './reach-options.ts';

const turn = ['turn:turn.example.org:3478'];
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vessel-reach-options-'));
});
after(() => rm(folder, { recursive: true, force: true }));

test('coturn’s configuration and the relay share the secret, which is made once and is its owner’s alone', async () => {
  const file = join(folder, 'secret');
  const values = { turn, 'turn-secret-file': file };
  await assert.rejects(readReach(values), { code: 'bad_request' });
  const config = await coturnOf(values);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const secret = (await readFile(file, 'utf8')).trim();
  assert.ok(config.includes(`static-auth-secret=${secret}\n`));
  assert.equal(await coturnOf(values), config);
  const reach = await readReach({ ...values, 'turn-minutes': '5' });
  assert.deepEqual(reach.turn, { urls: turn, secret, lifetimeMs: 300_000 });
});

test('what does not fit is refused before anything starts', async () => {
  const file = join(folder, 'bad');
  await writeFile(file, 'a secret\nno-auth\n');
  await assert.rejects(readReach({ turn, 'turn-secret-file': file }), { code: 'bad_request' });
  await assert.rejects(readReach({ turn }), UsageError);
  await assert.rejects(readReach({ 'turn-secret-file': file }), UsageError);
  await assert.rejects(readReach({ turn: ['turn.example.org'], 'turn-secret-file': file }), UsageError);
  await assert.rejects(readReach({ stun: ['turn:turn.example.org'] }), UsageError);
  await assert.rejects(readReach({ circuits: '-1' }), UsageError);
  await assert.rejects(coturnOf({}), UsageError);
});

test('nothing is asked of anybody unless it is named', async () => {
  assert.deepEqual(await readReach({}), { iceServers: [] });
  assert.deepEqual(await readReach({ stun: ['stun:a.example'], circuits: '0' }), {
    iceServers: [{ urls: ['stun:a.example'] }],
    circuits: { total: 0 },
  });
});
