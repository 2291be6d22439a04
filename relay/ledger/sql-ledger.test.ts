import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { collectEntries, ledgerSuite } from '../../testing/ledger-suite.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { findPostgres, startPostgres } from '../../testing/postgres-server.ts';
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
  const setUp = await openPostgresSql(server!.url);
  await setUp.query('create database killed');
  await setUp.close();
  const url = server!.url.replace('/postgres?', '/killed?');
  for (let round = 0; round < 3; round += 1) await checkWhole(() => openPostgresSql(url), await writeAndKill('postgres', url));
});

test('a ledger that a newer version wrote is not touched', async () => {
  const sql = await openPgliteSql(join(folder, 'newer'));
  await SqlLedger.open(sql, now);
  await sql.query('update ledger_version set version = 99');
  await assert.rejects(SqlLedger.open(sql, now), { code: 'version_mismatch' });
  await sql.close();
});
