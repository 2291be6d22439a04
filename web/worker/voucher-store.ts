/** This device's vouchers in IndexedDB: what a payer promised stays claimable when relay and page are gone. */
import type { StoredCover, VoucherStore } from '../../provider/metering/metering-ports.ts';
import { readStoredCover, writeStoredCover } from '../../provider/metering/stored-cover.ts';

const database = 'vessel-vouchers';
const storeName = 'covers';

export class BrowserVoucherStore implements VoucherStore {
  #open: Promise<IDBDatabase> | null = null;

  async read(key: string): Promise<StoredCover | null> {
    const text = await this.#do<string | undefined>('readonly', (store) => store.get(key));
    return text === undefined ? null : readStoredCover(text);
  }

  async write(key: string, cover: StoredCover): Promise<void> {
    await this.#do('readwrite', (store) => store.put(writeStoredCover(cover), key));
  }

  async remove(key: string): Promise<void> {
    await this.#do('readwrite', (store) => store.delete(key));
  }

  async list(prefix: string): Promise<[key: string, cover: StoredCover][]> {
    const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    const [keys, texts] = await Promise.all([
      this.#do<IDBValidKey[]>('readonly', (store) => store.getAllKeys(range)),
      this.#do<string[]>('readonly', (store) => store.getAll(range)),
    ]);
    return texts.flatMap((text, index) => {
      const cover = readStoredCover(text);
      return cover ? [[String(keys[index]), cover] as [string, StoredCover]] : [];
    });
  }

  async #do<Value>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest): Promise<Value> {
    this.#open ??= openDatabase();
    const db = await this.#open;
    return result<Value>(work(db.transaction(storeName, mode).objectStore(storeName)) as IDBRequest<Value>);
  }
}

async function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(database, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(storeName);
  return result(request);
}

function result<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
