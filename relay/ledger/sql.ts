/** The little of a database that the ledger needs: Postgres' dialect, with `$1` parameters. */
export interface SqlRunner {
  query<Row>(text: string, parameters?: readonly (string | number | null)[]): Promise<Row[]>;
}

export interface Sql extends SqlRunner {
  /** All of it or none: a throw in `work` takes everything back. Transactions of one connection run one after the other. */
  transaction<T>(work: (sql: SqlRunner) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
