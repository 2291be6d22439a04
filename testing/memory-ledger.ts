/** A `Ledger` that lives as long as the object. What JSON changes, it changes too, as in SQL. */
import { checkEntry, toLedgerJson } from '../relay/ledger/check-entry.ts';
import type { BookAccount, Entry, Intent, Ledger, StoredEntry } from '../relay/ledger/ledger.ts';
import { VesselError } from '../shared/protocol/errors.ts';

export class MemoryLedger implements Ledger {
  readonly #now: () => number;
  readonly #entries: StoredEntry[] = [];
  readonly #ids = new Map<string, StoredEntry>();
  readonly #balances = new Map<BookAccount, bigint>();
  readonly #facts = new Map<string, string>();
  readonly #intents = new Map<string, Intent>();

  constructor(now: () => number = () => 0) {
    this.#now = now;
  }

  /** Another ledger with the same books, which then go their own way. */
  copy(): MemoryLedger {
    const copy = new MemoryLedger(this.#now);
    copy.#entries.push(...this.#entries);
    for (const [from, to] of [
      [this.#ids, copy.#ids],
      [this.#balances, copy.#balances],
      [this.#facts, copy.#facts],
      [this.#intents, copy.#intents],
    ] as [Map<unknown, unknown>, Map<unknown, unknown>][])
      for (const [key, value] of from) to.set(key, value);
    return copy;
  }

  async append(entries: readonly Entry[], facts: readonly (readonly [string, string])[] = []): Promise<number> {
    for (const entry of entries) checkEntry(entry);
    let added = 0;
    for (const { id, kind, postings, evidence } of entries) {
      if (this.#ids.has(id)) continue;
      const stored: StoredEntry = {
        id,
        kind,
        postings: postings.map((posting) => ({ ...posting })),
        evidence: JSON.parse(toLedgerJson(evidence)),
        sequence: this.#entries.length + 1,
        atMs: this.#now(),
      };
      this.#entries.push(stored);
      this.#ids.set(id, stored);
      for (const { account, amount } of postings) this.#balances.set(account, (this.#balances.get(account) ?? 0n) + amount);
      added += 1;
    }
    for (const [key, value] of facts) this.#facts.set(key, value);
    return added;
  }

  async balance(account: BookAccount): Promise<bigint> {
    return this.#balances.get(account) ?? 0n;
  }

  async balances(prefix: string): Promise<Map<BookAccount, bigint>> {
    return new Map(sorted(this.#balances, prefix).filter(([, amount]) => amount !== 0n));
  }

  async entry(id: string): Promise<StoredEntry | null> {
    return structuredClone(this.#ids.get(id) ?? null);
  }

  async *entries(after = 0): AsyncIterable<StoredEntry> {
    for (let index = after; index < this.#entries.length; index += 1) yield structuredClone(this.#entries[index]!);
  }

  async read(key: string): Promise<string | null> {
    return this.#facts.get(key) ?? null;
  }

  async write(key: string, value: string, expected?: string | null): Promise<boolean> {
    if (expected !== undefined && (this.#facts.get(key) ?? null) !== expected) return false;
    this.#facts.set(key, value);
    return true;
  }

  async list(prefix: string): Promise<[key: string, value: string][]> {
    return sorted(this.#facts, prefix);
  }

  async plan({ id, kind, body }: Pick<Intent, 'id' | 'kind' | 'body'>): Promise<Intent> {
    if (!this.#intents.has(id)) {
      const planned: Intent = {
        id,
        kind,
        body: JSON.parse(toLedgerJson(body)),
        state: 'planned',
        hashes: [],
        nonce: null,
        error: null,
      };
      this.#intents.set(id, planned);
    }
    return structuredClone(this.#intents.get(id)!);
  }

  async update(id: string, change: Partial<Pick<Intent, 'state' | 'hashes' | 'nonce' | 'error'>>): Promise<void> {
    const known = this.#intents.get(id);
    if (!known) throw new VesselError('not_found', `There is no intent ${id}.`);
    this.#intents.set(id, structuredClone({ ...known, ...change }));
  }

  async intent(id: string): Promise<Intent | null> {
    return structuredClone(this.#intents.get(id) ?? null);
  }

  async openIntents(): Promise<Intent[]> {
    return [...this.#intents.values()]
      .filter(({ state }) => state === 'planned' || state === 'sent')
      .map((intent) => structuredClone(intent));
  }

  async close(): Promise<void> {}
}

function sorted<K extends string, V>(map: ReadonlyMap<K, V>, prefix: string): [K, V][] {
  return [...map].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
}
