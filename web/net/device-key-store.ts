/** The device key of this browser: made once, kept in IndexedDB as a key that cannot be exported. */
import { type DeviceKey, type DeviceKeyPair, deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';

const database = 'vessel';
const store = 'keys';
const entry = 'device';

let pair: Promise<DeviceKeyPair> | null = null;

/** The pair itself, for the compute worker: it can be handed over and still not be read. */
export function openDevicePair(): Promise<DeviceKeyPair> {
  pair ??= findPair();
  return pair;
}

export async function openDeviceKey(): Promise<DeviceKey> {
  return deviceKey(await openDevicePair());
}

async function findPair(): Promise<DeviceKeyPair> {
  try {
    const db = await openDatabase();
    return (await read(db)) ?? (await writeOnce(db, await generateKeyPair()));
  } catch {
    // Private windows may refuse storage: the key then lasts as long as the page.
    return generateKeyPair();
  }
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function read(db: IDBDatabase): Promise<CryptoKeyPair | undefined> {
  return result(db.transaction(store).objectStore(store).get(entry));
}

/** Two tabs may open the page for the first time at once: the first key stays. */
async function writeOnce(db: IDBDatabase, pair: CryptoKeyPair): Promise<CryptoKeyPair> {
  const keys = db.transaction(store, 'readwrite').objectStore(store);
  const known = await result<CryptoKeyPair | undefined>(keys.get(entry));
  if (known) return known;
  await result(keys.put(pair, entry));
  return pair;
}

function result<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
