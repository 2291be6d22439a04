/**
 * The ledger's tables, version by version. A migration that was released is never changed: a new one is added behind it.
 * `balances` repeats what `postings` add up to, in the same transaction, so that a balance costs one row however long the books are.
 */
export const ledgerMigrations: readonly string[][] = [
  [
    `create table entries (
       sequence bigserial primary key,
       id text not null unique,
       kind text not null,
       at_ms bigint not null,
       evidence text not null
     )`,
    `create table postings (
       sequence bigint not null references entries,
       line integer not null,
       account text not null,
       amount numeric(60, 0) not null,
       primary key (sequence, line)
     )`,
    `create table balances (account text collate "C" primary key, amount numeric(60, 0) not null)`,
    `create table facts (key text collate "C" primary key, value text not null)`,
    `create table intents (
       position bigserial primary key,
       id text not null unique,
       kind text not null,
       body text not null,
       state text not null,
       hashes text not null,
       nonce bigint,
       error text
     )`,
    `create index intents_open on intents (position) where state in ('planned', 'sent')`,
  ],
];
