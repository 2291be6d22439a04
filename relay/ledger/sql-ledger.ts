/** The `Ledger` in SQL. Which database is behind it is the `Sql` port's business. */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Hex } from '../../shared/receipts/hex.ts';
import { checkEntry, toLedgerJson } from './check-entry.ts';
import type { BookAccount, Entry, Intent, Ledger, Posting, StoredEntry } from './ledger.ts';
import { ledgerMigrations } from './ledger-migrations.ts';
import type { Sql, SqlRunner } from './sql.ts';

/** Any number, the same in every relay: writers of one database take turns, so that sequence is the order of commits. */
const writersLock = 8_621_003;
/** Entries read at once: enough to keep the round trips few, little enough for memory. */
const pageSize = 500;

interface EntryRow {
  sequence: string | number;
  id: string;
  kind: string;
  at_ms: string | number;
  evidence: string;
}
interface IntentRow {
  id: string;
  kind: string;
  body: string;
  state: string;
  hashes: string;
  nonce: string | number | null;
  error: string | null;
}

export class SqlLedger implements Ledger {
  readonly #sql: Sql;
  readonly #now: () => number;

  private constructor(sql: Sql, now: () => number) {
    this.#sql = sql;
    this.#now = now;
  }

  /** Brings the tables to this version. Throws `version_mismatch` for a ledger that a newer Vessel has written. */
  static async open(sql: Sql, now: () => number): Promise<SqlLedger> {
    await sql.transaction(migrate);
    return new SqlLedger(sql, now);
  }

  append(entries: readonly Entry[], facts: readonly (readonly [string, string])[] = []): Promise<number> {
    return this.#write(async (sql) => {
      for (const entry of entries) checkEntry(entry);
      let added = 0;
      for (const entry of entries) if (await this.#appendOne(sql, entry)) added += 1;
      for (const [key, value] of facts) await putFact(sql, key, value);
      return added;
    });
  }

  async #appendOne(sql: SqlRunner, { id, kind, postings, evidence }: Entry): Promise<boolean> {
    const rows = await sql.query<{ sequence: string | number }>(
      'insert into entries (id, kind, at_ms, evidence) values ($1, $2, $3, $4) on conflict (id) do nothing returning sequence',
      [id, kind, this.#now(), toLedgerJson(evidence)],
    );
    if (rows.length === 0) return false;
    const sequence = Number(rows[0]!.sequence);
    for (const [line, { account, amount }] of postings.entries()) {
      await sql.query('insert into postings (sequence, line, account, amount) values ($1, $2, $3, $4)', [
        sequence,
        line,
        account,
        `${amount}`,
      ]);
      await sql.query(
        'insert into balances (account, amount) values ($1, $2) on conflict (account) do update set amount = balances.amount + excluded.amount',
        [account, `${amount}`],
      );
    }
    return true;
  }

  async balance(account: BookAccount): Promise<bigint> {
    const rows = await this.#sql.query<{ amount: string }>('select amount::text as amount from balances where account = $1', [
      account,
    ]);
    return BigInt(rows[0]?.amount ?? 0);
  }

  async balances(prefix: string): Promise<Map<BookAccount, bigint>> {
    const rows = await this.#sql.query<{ account: string; amount: string }>(
      'select account, amount::text as amount from balances where starts_with(account, $1) and amount <> 0 order by account',
      [prefix],
    );
    return new Map(rows.map(({ account, amount }) => [account as BookAccount, BigInt(amount)]));
  }

  async entry(id: string): Promise<StoredEntry | null> {
    const rows = await this.#sql.query<EntryRow>('select * from entries where id = $1', [id]);
    return rows[0] ? (await this.#withPostings(rows))[0]! : null;
  }

  async *entries(after = 0): AsyncIterable<StoredEntry> {
    for (let last = after; ; ) {
      const rows = await this.#sql.query<EntryRow>('select * from entries where sequence > $1 order by sequence limit $2', [
        last,
        pageSize,
      ]);
      yield* await this.#withPostings(rows);
      if (rows.length < pageSize) return;
      last = Number(rows.at(-1)!.sequence);
    }
  }

  async #withPostings(rows: readonly EntryRow[]): Promise<StoredEntry[]> {
    if (rows.length === 0) return [];
    const lines = await this.#sql.query<{ sequence: string | number; account: string; amount: string }>(
      `select sequence, account, amount::text as amount from postings
       where sequence between $1 and $2 order by sequence, line`,
      [Number(rows[0]!.sequence), Number(rows.at(-1)!.sequence)],
    );
    const postings = Map.groupBy(lines, ({ sequence }) => Number(sequence));
    return rows.map((row) => ({
      sequence: Number(row.sequence),
      atMs: Number(row.at_ms),
      id: row.id,
      kind: row.kind as Entry['kind'],
      evidence: JSON.parse(row.evidence),
      postings: (postings.get(Number(row.sequence)) ?? []).map(
        ({ account, amount }): Posting => ({ account: account as BookAccount, amount: BigInt(amount) }),
      ),
    }));
  }

  async read(key: string): Promise<string | null> {
    const rows = await this.#sql.query<{ value: string }>('select value from facts where key = $1', [key]);
    return rows[0]?.value ?? null;
  }

  write(key: string, value: string, expected?: string | null): Promise<boolean> {
    return this.#write(async (sql) => {
      if (expected !== undefined) {
        const rows = await sql.query<{ value: string }>('select value from facts where key = $1', [key]);
        if ((rows[0]?.value ?? null) !== expected) return false;
      }
      await putFact(sql, key, value);
      return true;
    });
  }

  async list(prefix: string): Promise<[key: string, value: string][]> {
    const rows = await this.#sql.query<{ key: string; value: string }>(
      'select key, value from facts where starts_with(key, $1) order by key',
      [prefix],
    );
    return rows.map(({ key, value }) => [key, value]);
  }

  plan({ id, kind, body }: Pick<Intent, 'id' | 'kind' | 'body'>): Promise<Intent> {
    return this.#write(async (sql) => {
      await sql.query(
        `insert into intents (id, kind, body, state, hashes) values ($1, $2, $3, 'planned', '[]') on conflict (id) do nothing`,
        [id, kind, toLedgerJson(body)],
      );
      return (await findIntent(sql, id))!;
    });
  }

  update(id: string, change: Partial<Pick<Intent, 'state' | 'hashes' | 'nonce' | 'error'>>): Promise<void> {
    return this.#write(async (sql) => {
      const known = await findIntent(sql, id);
      if (!known) throw new VesselError('not_found', `There is no intent ${id}.`);
      const { state, hashes, nonce, error } = { ...known, ...change };
      await sql.query('update intents set state = $2, hashes = $3, nonce = $4, error = $5 where id = $1', [
        id,
        state,
        JSON.stringify(hashes),
        nonce,
        error,
      ]);
    });
  }

  intent(id: string): Promise<Intent | null> {
    return findIntent(this.#sql, id);
  }

  async openIntents(): Promise<Intent[]> {
    const rows = await this.#sql.query<IntentRow>(`select * from intents where state in ('planned', 'sent') order by position`);
    return rows.map(toIntent);
  }

  close(): Promise<void> {
    return this.#sql.close();
  }

  #write<T>(work: (sql: SqlRunner) => Promise<T>): Promise<T> {
    return this.#sql.transaction(async (sql) => {
      await sql.query(`select pg_advisory_xact_lock(${writersLock})`);
      return work(sql);
    });
  }
}

async function migrate(sql: SqlRunner): Promise<void> {
  await sql.query(`select pg_advisory_xact_lock(${writersLock})`);
  await sql.query('create table if not exists ledger_version (version integer not null)');
  const rows = await sql.query<{ version: number }>('select version from ledger_version');
  const version = rows[0]?.version ?? 0;
  const newest = ledgerMigrations.length;
  if (version > newest)
    throw new VesselError(
      'version_mismatch',
      `The ledger was written by a newer Vessel (version ${version}, this one knows ${newest}). Update Vessel.`,
    );
  for (const statement of ledgerMigrations.slice(version).flat()) await sql.query(statement);
  if (rows.length === 0) await sql.query(`insert into ledger_version (version) values (${newest})`);
  else if (version < newest) await sql.query(`update ledger_version set version = ${newest}`);
}

async function putFact(sql: SqlRunner, key: string, value: string): Promise<void> {
  await sql.query('insert into facts (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value', [
    key,
    value,
  ]);
}

async function findIntent(sql: SqlRunner, id: string): Promise<Intent | null> {
  const rows = await sql.query<IntentRow>('select * from intents where id = $1', [id]);
  return rows[0] ? toIntent(rows[0]) : null;
}

function toIntent({ id, kind, body, state, hashes, nonce, error }: IntentRow): Intent {
  return {
    id,
    kind: kind as Intent['kind'],
    body: JSON.parse(body),
    state: state as Intent['state'],
    hashes: JSON.parse(hashes) as Hex[],
    nonce: nonce === null ? null : Number(nonce),
    error,
  };
}
