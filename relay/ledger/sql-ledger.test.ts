import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';
import { collectEntries, ledgerSuite } from '../../testing/ledger-suite.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { findPostgres, startPostgres } from '../../testing/postgres-server.ts';
import { DurableFiles, durableStartParams } from './durable-files.ts';
import { openPgliteSql } from './pglite-sql.ts';
import { openPostgresSql } from './postgres-sql.ts';
import type { Sql } from './sql.ts';
import { SqlLedger } from './sql-ledger.ts';

const folder = await mkdtemp(join(tmpdir(), 'vessel-ledger-'));
const programs = await findPostgres();
const server = programs ? await startPostgres(programs) : null;
const noServer = server ? undefined : 'Postgres is not installed here';
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true });
});

const now = () => 1_700_000_000_000;
const open = async (sql: Promise<Sql>) => SqlLedger.open(await sql, now);

ledgerSuite({ name: 'memory', open: async () => new MemoryLedger(now) });

const suiteFolder = join(folder, 'suite');
ledgerSuite({
  name: 'PGlite',
  open: () => open(openPgliteSql(suiteFolder)),
  reopen: () => open(openPgliteSql(suiteFolder)),
});

ledgerSuite({
  name: 'Postgres',
  open: () => open(openPostgresSql(server!.url)),
  reopen: () => open(openPostgresSql(server!.url)),
  skip: noServer,
});

/** Starts a process that writes, kills it in the middle, and returns the last write it was told is safe. */
async function writeAndKill(...args: string[]): Promise<number> {
  const writer = spawn(process.execPath, [fileURLToPath(new URL('../../testing/ledger-writer.ts', import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let safe = 0;
  let lines = 0;
  const enough = 25 + Math.floor(Math.random() * 50);
  for await (const line of createInterface({ input: writer.stdout! })) {
    safe = Number(line);
    lines += 1;
    if (lines === enough) writer.kill('SIGKILL');
  }
  assert.ok(lines >= enough, 'the writer ended by itself');
  return safe;
}

async function checkWhole(openSql: () => Promise<Sql>, safe: number): Promise<void> {
  const ledger = await open(openSql());
  try {
    const entries = await collectEntries(ledger);
    const written = Number(await ledger.read('written'));
    assert.ok(written >= safe, `write ${safe} was acknowledged, ${written} are there`);
    assert.equal(entries.length, 2 * written);
    for (const balances of [await ledger.balances('earned:'), await ledger.balances('payer:')])
      assert.deepEqual(
        [...balances.values()].map((amount) => (amount < 0n ? -amount : amount)),
        [5n * BigInt(written)],
      );
  } finally {
    await ledger.close();
  }
}

test('PGlite: a writer killed by kill -9 again and again loses nothing it was told is safe, and leaves no half entry', async () => {
  const place = join(folder, 'killed');
  for (let round = 0; round < 3; round += 1) await checkWhole(() => openPgliteSql(place), await writeAndKill('pglite', place));
});

test('Postgres: the same', { skip: noServer ?? false }, async () => {
  const url = await newDatabase('killed');
  for (let round = 0; round < 3; round += 1) await checkWhole(() => openPostgresSql(url), await writeAndKill('postgres', url));
});

test('two relays on one database: the second is refused with what to do, and takes over once the first has ended', {
  skip: noServer ?? false,
}, async (t) => {
  const url = await newDatabase('two_relays');
  const first = await open(openPostgresSql(url));
  t.after(() => first.close());
  await first.write('fact', 'first');
  await assert.rejects(openPostgresSql(url), { code: 'forbidden', message: /Another relay has these books open/ });
  await first.write('fact', 'still first');
  await first.close();
  const second = await open(openPostgresSql(url));
  assert.equal(await second.read('fact'), 'still first');
  await second.close();
});

test('a relay whose connection broke goes on, unless another has written since: then it must not', {
  skip: noServer ?? false,
}, async (t) => {
  const url = await newDatabase('broken_link');
  const first = await open(openPostgresSql(url));
  t.after(() => first.close());
  await first.write('fact', 'first');
  const cut = await openPostgresSql(url.replace('/broken_link?', '/postgres?'));
  t.after(() => cut.close());
  const breakAll = () =>
    cut.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = 'broken_link' and pid <> pg_backend_pid()`);
  await breakAll();
  await untilWritten(() => first.write('fact', 'again'));
  assert.equal(await first.read('fact'), 'again');
  await breakAll();
  const second = await open(openPostgresSql(url));
  await second.write('fact', 'second');
  await assert.rejects(
    untilWritten(() => first.write('fact', 'two at once')),
    { code: 'forbidden' },
  );
  await second.close();
  await assert.rejects(first.write('fact', 'too late'), { code: 'forbidden', message: /Start this one again/ });
  const third = await open(openPostgresSql(url));
  assert.equal(await third.read('fact'), 'second');
  await third.close();
});

async function newDatabase(name: string): Promise<string> {
  const setUp = await openPostgresSql(server!.url);
  await setUp.query(`create database ${name}`);
  await setUp.close();
  return server!.url.replace('/postgres?', `/${name}?`);
}

/** The write that meets the broken connection fails as it should; the one after it may not. */
async function untilWritten(write: () => Promise<unknown>): Promise<void> {
  await write().catch((error) => {
    if (error.code === 'forbidden') throw error;
    return write();
  });
}

test('PGlite waits for the disk at every commit, as a server does', async () => {
  const files = new DurableFiles(suiteFolder);
  const database = await PGlite.create({ fs: files, startParams: durableStartParams });
  await database.query('create table if not exists flushed (number integer)');
  const before = files.flushes;
  for (let number = 0; number < 5; number += 1) await database.query('insert into flushed values ($1)', [number]);
  assert.equal(files.flushes - before, 5);
  await database.query('drop table flushed');
  await database.close();
});

test('a ledger that a newer version wrote is not touched', async () => {
  const sql = await openPgliteSql(join(folder, 'newer'));
  await SqlLedger.open(sql, now);
  await sql.query('update ledger_version set version = 99');
  await assert.rejects(SqlLedger.open(sql, now), { code: 'version_mismatch' });
  await sql.close();
});
