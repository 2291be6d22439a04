import type { StoredCover, VoucherStore } from './metering-ports.ts';

/** A VoucherStore that lasts as long as the process. */
export class MemoryVoucherStore implements VoucherStore {
  readonly #covers = new Map<string, StoredCover>();

  async read(key: string): Promise<StoredCover | null> {
    return this.#covers.get(key) ?? null;
  }

  async write(key: string, cover: StoredCover): Promise<void> {
    this.#covers.set(key, cover);
  }

  async remove(key: string): Promise<void> {
    this.#covers.delete(key);
  }

  async list(prefix: string): Promise<[string, StoredCover][]> {
    return [...this.#covers].filter(([key]) => key.startsWith(prefix));
  }
}
