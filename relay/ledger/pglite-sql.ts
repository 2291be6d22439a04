/**
 * Postgres inside this process, in a folder of its own. One process at a time: the caller holds the data folder's lock.
 *
 * What was committed survives the end of the process, however it ends (kill -9), and a power cut: every commit waits until the disk
 * has it.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { DurableFiles, durableStartParams, syncTree } from './durable-files.ts';
import type { Sql, SqlRunner } from './sql.ts';

/** `folder` is made if it is not there. Opening takes some seconds the first time. */
export async function openPgliteSql(folder: string): Promise<Sql> {
  const isNew = !existsSync(join(folder, 'PG_VERSION'));
  await mkdir(folder, { recursive: true });
  // Not relaxedDurability: a promise must be written before it is sent.
  const database = await PGlite.create({ fs: new DurableFiles(folder), startParams: durableStartParams });
  // The files of a new database are made without a flush.
  if (isNew) await syncTree(dirname(folder));
  const runner = (target: Pick<PGlite, 'query'>): SqlRunner => ({
    query: async <Row>(text: string, parameters: readonly (string | number | null)[] = []) =>
      (await target.query<Row>(text, [...parameters])).rows,
  });
  return {
    ...runner(database),
    transaction: (work) => database.transaction((transaction) => work(runner(transaction as Pick<PGlite, 'query'>))),
    close: () => database.close(),
  };
}
