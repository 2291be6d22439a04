/** A Node provider's vouchers, one small file for all of them: they have to outlive the relay and this process. */
import type { StoredCover, VoucherStore } from '../../provider/metering/metering-ports.ts';
import { readStoredCover, writeStoredCover } from '../../provider/metering/stored-cover.ts';
import type { TextStore } from '../storage/text-store.ts';

export class FileVoucherStore implements VoucherStore {
  readonly #file: TextStore;
  #known: Promise<Map<string, string>> | null = null;

  constructor(file: TextStore) {
    this.#file = file;
  }

  async read(key: string): Promise<StoredCover | null> {
    const text = (await this.#all()).get(key);
    return text === undefined ? null : readStoredCover(text);
  }

  async write(key: string, cover: StoredCover): Promise<void> {
    const all = await this.#all();
    all.set(key, writeStoredCover(cover));
    await this.#save(all);
  }

  async remove(key: string): Promise<void> {
    const all = await this.#all();
    if (all.delete(key)) await this.#save(all);
  }

  async list(prefix: string): Promise<[key: string, cover: StoredCover][]> {
    return [...(await this.#all())].flatMap(([key, text]) => {
      const cover = key.startsWith(prefix) ? readStoredCover(text) : null;
      return cover ? [[key, cover] as [string, StoredCover]] : [];
    });
  }

  #all(): Promise<Map<string, string>> {
    this.#known ??= this.#file.read().then((text) => new Map(text === null ? [] : (JSON.parse(text) as [string, string][])));
    return this.#known;
  }

  #save(all: Map<string, string>): Promise<void> {
    return this.#file.write(JSON.stringify([...all]));
  }
}
