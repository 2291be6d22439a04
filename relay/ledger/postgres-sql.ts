/** A Postgres server by its URL (DATABASE_URL). */
import pg from 'pg';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Sql, SqlRunner } from './sql.ts';

/** Writers take turns anyway; the rest is for readers beside them. */
const maxConnections = 4;

/** Throws `internal` with what to do when the server does not answer. */
export async function openPostgresSql(url: string): Promise<Sql> {
  const pool = new pg.Pool({ connectionString: url, max: maxConnections });
  // A connection that dies while idle is replaced by the next query; without a listener it would end the process.
  pool.on('error', () => undefined);
  try {
    await pool.query('select 1');
  } catch (cause) {
    await pool.end();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new VesselError('internal', `The database does not answer (${why}). Check DATABASE_URL.`, { cause });
  }
  return {
    ...runner(pool),
    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query('begin');
        const result = await work(runner(client));
        await client.query('commit');
        return result;
      } catch (error) {
        // What was begun must never be committed by whoever gets this connection next.
        await client.query('rollback').catch((cause: Error) => {
          broken = cause;
        });
        throw error;
      } finally {
        client.release(broken);
      }
    },
    close: () => pool.end(),
  };
}

function runner(target: Pick<pg.Pool | pg.PoolClient, 'query'>): SqlRunner {
  return {
    query: async <Row>(text: string, parameters: readonly (string | number | null)[] = []) =>
      (await (target as pg.Pool).query(text, [...parameters])).rows as Row[],
  };
}
