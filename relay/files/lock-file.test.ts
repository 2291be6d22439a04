import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { lockFile } from './lock-file.ts';

test('a lock has one holder, even when many take over that of a dead process at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'lock');
  // No process has this id: Linux gives ids below 2^22.
  await writeFile(path, '99999999 somebody');
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockFile(path, 'taken')));
  const held = results.filter((result) => result.status === 'fulfilled');
  assert.equal(held.length, 1);
  for (const result of results) {
    if (result.status === 'rejected') assert.ok(result.reason instanceof VesselError && result.reason.code === 'forbidden');
  }
  await held[0]!.value.release();
  assert.deepEqual(await readdir(folder), []);
});

test('releasing a lock that somebody else has taken over leaves theirs', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-lock-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'lock');
  const lock = await lockFile(path, 'taken');
  await writeFile(path, '1 another');
  await lock.release();
  assert.deepEqual(await readdir(folder), ['lock']);
});
