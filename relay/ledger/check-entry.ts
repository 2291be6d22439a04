import { VesselError } from '../../shared/protocol/errors.ts';
import type { Entry } from './ledger.ts';

/** Throws `unbalanced` for an entry that creates or loses money. */
export function checkEntry({ id, postings }: Entry): void {
  const sum = postings.reduce((total, { amount }) => total + amount, 0n);
  if (postings.length === 0 || sum !== 0n)
    throw new VesselError('unbalanced', `The entry ${id} adds up to ${sum} wei over ${postings.length} postings.`);
}

/** JSON in which amounts are decimal text. */
export function toLedgerJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}` : item));
}
