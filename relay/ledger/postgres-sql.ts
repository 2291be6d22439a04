/**
 * A Postgres server by its URL (DATABASE_URL), for one process at a time.
 *
 * All writes go over one connection, and that connection holds a lock of the database. So whoever writes has the lock at that moment:
 * when the connection breaks, its transaction is taken back and the lock is free. After a break it is taken again, but only if nobody else
 * has written in between; otherwise what this process remembers of the books is old, and it has to stop.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { VesselError } from '../../shared/protocol/errors.ts';
import { InTurn } from './in-turn.ts';
import type { Sql, SqlRunner } from './sql.ts';

/** For readers: they do not wait for the writer. */
const maxReaders = 3;
/** Any number, the same in every relay. */
const ownerLock = 8_621_004;
/** A process that was killed may be noticed by the server a moment later. */
const lockTries = 10;
const lockPauseMs = 200;

/**
 * Throws `internal` with what to do when the server does not answer, `forbidden` when another process has these books open.
 */
export async function openPostgresSql(url: string): Promise<Sql> {
  const writer = new Writer(url);
  const pool = new pg.Pool({ connectionString: url, max: maxReaders });
  // A connection that dies while idle is replaced by the next query; without a listener it would end the process.
  pool.on('error', () => undefined);
  try {
    await writer.open();
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    ...runner(pool),
    transaction: (work) => writer.transaction(work),
    close: async () => {
      await writer.close();
      if (!pool.ending) await pool.end();
    },
  };
}

class Writer {
  readonly #url: string;
  readonly #me = randomUUID();
  readonly #turns = new InTurn();
  #client: pg.Client | null = null;
  #hasOpened = false;

  constructor(url: string) {
    this.#url = url;
  }

  async open(): Promise<void> {
    await this.#connected();
    this.#hasOpened = true;
  }

  transaction<T>(work: (sql: SqlRunner) => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      const client = await this.#connected();
      try {
        await client.query('begin');
        const result = await work(runner(client));
        await client.query('commit');
        return result;
      } catch (error) {
        // What was begun must never be committed by what comes next.
        await client.query('rollback').catch(() => this.#drop(client));
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return this.#turns.run(async () => this.#drop(this.#client));
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client({ connectionString: this.#url, keepAlive: true });
    client.on('error', () => this.#drop(client));
    client.on('end', () => this.#drop(client));
    try {
      await client.connect();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new VesselError('internal', `The database does not answer (${why}). Check DATABASE_URL.`, { cause });
    }
    try {
      await takeLock(client);
      await this.#sign(client);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    this.#client = client;
    return client;
  }

  /** Writes down who has the books now; the second time, makes sure that nobody else had them since. */
  async #sign(client: pg.Client): Promise<void> {
    await client.query('create table if not exists ledger_owner (id integer primary key check (id = 1), owner text not null)');
    if (this.#hasOpened) {
      const { rows } = await client.query<{ owner: string }>('select owner from ledger_owner');
      if (rows[0]?.owner === this.#me) return;
      throw new VesselError(
        'forbidden',
        'Another relay has used these books since the connection to the database broke. Start this one again.',
      );
    }
    await client.query(
      'insert into ledger_owner (id, owner) values (1, $1) on conflict (id) do update set owner = excluded.owner',
      [this.#me],
    );
  }

  async #drop(client: pg.Client | null): Promise<void> {
    if (client === null || this.#client !== client) return;
    this.#client = null;
    await client.end().catch(() => undefined);
  }
}

async function takeLock(client: pg.Client): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [ownerLock]);
    if (rows[0]?.taken) return;
    if (tried === lockTries)
      throw new VesselError(
        'forbidden',
        'Another relay has these books open. Stop it, or give this one another DATABASE_URL: each relay keeps its own books.',
      );
    await new Promise((resolve) => setTimeout(resolve, lockPauseMs));
  }
}

function runner(target: Pick<pg.Pool | pg.Client, 'query'>): SqlRunner {
  return {
    query: async <Row>(text: string, parameters: readonly (string | number | null)[] = []) =>
      (await (target as pg.Pool).query(text, [...parameters])).rows as Row[],
  };
}
