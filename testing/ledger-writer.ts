/** A process that writes to a ledger until it is killed: `ledger-writer.ts pglite <folder>` or `postgres <url>`. Prints what it was told is safe. */
import { openPgliteSql } from '../relay/ledger/pglite-sql.ts';
import { openPostgresSql } from '../relay/ledger/postgres-sql.ts';
import { SqlLedger } from '../relay/ledger/sql-ledger.ts';
import { answerEntry } from './ledger-suite.ts';

const [kind, place] = process.argv.slice(2);
const sql = kind === 'pglite' ? await openPgliteSql(place!) : await openPostgresSql(place!);
const ledger = await SqlLedger.open(sql, Date.now);
const start = Number((await ledger.read('written')) ?? 0);
for (let count = start + 1; ; count += 1) {
  const entries = [answerEntry(`answer:${count}:a`, 2n), answerEntry(`answer:${count}:b`, 3n)];
  await ledger.append(entries, [['written', `${count}`]]);
  process.stdout.write(`${count}\n`);
}
