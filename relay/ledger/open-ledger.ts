import { join } from 'node:path';
import type { Ledger } from './ledger.ts';
import { openPgliteSql } from './pglite-sql.ts';
import { openPostgresSql } from './postgres-sql.ts';
import { SqlLedger } from './sql-ledger.ts';

/** The relay's books: at DATABASE_URL where that is set, else in the relay's own folder. */
export async function openLedger(relayFolder: string, databaseUrl: string | undefined): Promise<Ledger> {
  const sql = databaseUrl ? await openPostgresSql(databaseUrl) : await openPgliteSql(join(relayFolder, 'ledger'));
  return SqlLedger.open(sql, Date.now);
}
