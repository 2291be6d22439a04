/**
 * Postgres inside this process, in a folder of its own. One process at a time: the caller holds the data folder's lock.
 *
 * What was committed survives the end of the process, however it ends (kill -9). It does not surely survive a power cut: PGlite 0.5 runs with
 * `fsync` off and its file system has no flush. Who needs that uses a Postgres server.
 */
import { mkdir } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import type { Sql, SqlRunner } from './sql.ts';

/** `folder` is made if it is not there. Opening takes some seconds the first time. */
export async function openPgliteSql(folder: string): Promise<Sql> {
  await mkdir(folder, { recursive: true });
  // Not relaxedDurability: a promise must be written before it is sent.
  const database = await PGlite.create(folder);
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
