/**
 * Where verified blobs lie: the origin private file system, or memory where a browser has none (private windows).
 *
 * In the file system a blob is two entries of the folder `blobs`: `<cid>` holds the bytes, `<cid>.done` is an empty file that
 * exists only once every leaf was verified and flushed. Creating it is the one atomic step: before it the bytes are a partial
 * that is hashed again on the next visit, so a crash at any moment cannot leave unverified bytes that count as a blob.
 */
import { VesselError } from '../../../shared/protocol/errors.ts';

export interface StoredBlob {
  cid: string;
  bytes: number;
  done: boolean;
}

/** The bytes of one blob being fetched. One writer at a time; the caller holds the lock of this cid. */
export interface PartialBlob {
  /** Bytes written so far; holes read as zeros. */
  readonly size: number;
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Throws VesselError `out_of_memory` when the browser gives no more space. */
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): void;
  /** Makes it a blob. The caller has verified every leaf. */
  finish(): Promise<void>;
  /** Keeps what was written for the next try. */
  close(): void;
}

export interface BlobStorage {
  readonly kind: 'opfs' | 'memory';
  /** The finished blob, file-backed where there is a file; null unless it is finished and of this length. */
  blob(cid: string): Promise<Blob | null>;
  openPartial(cid: string, bytes: number): Promise<PartialBlob>;
  list(): Promise<StoredBlob[]>;
  remove(cid: string): Promise<void>;
}

const folderName = 'blobs';
const doneSuffix = '.done';
/** A closed tab's file handle may outlive its lock for a moment. */
const busyTries = 20;
const busyWaitMs = 100;

/** Opens OPFS, or memory when the browser refuses it. Runs in a dedicated worker: sync access handles exist only there. */
export async function openBlobStorage(): Promise<BlobStorage> {
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(folderName, { create: true });
    // Some private windows hand out the folder and refuse the handle: try it before trusting it.
    const probe = await folder.getFileHandle('probe', { create: true });
    if (typeof probe.createSyncAccessHandle !== 'function') return new MemoryBlobStorage();
    return new OpfsBlobStorage(folder);
  } catch {
    return new MemoryBlobStorage();
  }
}

export class OpfsBlobStorage implements BlobStorage {
  readonly kind = 'opfs';
  readonly #folder: FileSystemDirectoryHandle;

  constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  async blob(cid: string): Promise<Blob | null> {
    if ((await this.#find(cid + doneSuffix)) === null) return null;
    const handle = await this.#find(cid);
    return handle === null ? null : handle.getFile();
  }

  async openPartial(cid: string, bytes: number): Promise<PartialBlob> {
    await this.#drop(cid + doneSuffix);
    const handle = await this.#folder.getFileHandle(cid, { create: true });
    const access = await openAccess(handle);
    // A longer leftover is not this blob's: its tail would never be overwritten.
    if (access.getSize() > bytes) access.truncate(bytes);
    return new OpfsPartialBlob(access, async () => {
      await this.#folder.getFileHandle(cid + doneSuffix, { create: true });
    });
  }

  async list(): Promise<StoredBlob[]> {
    const sizes = new Map<string, number>();
    const done = new Set<string>();
    for await (const [name, handle] of this.#folder.entries()) {
      if (name === 'probe' || !('getFile' in handle)) continue;
      if (name.endsWith(doneSuffix)) done.add(name.slice(0, -doneSuffix.length));
      else sizes.set(name, (await handle.getFile()).size);
    }
    return [...sizes].map(([cid, bytes]) => ({ cid, bytes, done: done.has(cid) }));
  }

  async remove(cid: string): Promise<void> {
    // The marker goes first: a crash between the two leaves a partial, never a blob without bytes.
    await this.#drop(cid + doneSuffix);
    await this.#drop(cid);
  }

  async #find(name: string): Promise<FileSystemFileHandle | null> {
    try {
      return await this.#folder.getFileHandle(name);
    } catch (error) {
      if (isNamed(error, 'NotFoundError')) return null;
      throw error;
    }
  }

  async #drop(name: string): Promise<void> {
    try {
      await this.#folder.removeEntry(name);
    } catch (error) {
      if (!isNamed(error, 'NotFoundError')) throw error;
    }
  }
}

class OpfsPartialBlob implements PartialBlob {
  readonly #access: FileSystemSyncAccessHandle;
  readonly #mark: () => Promise<void>;
  #isOpen = true;

  constructor(access: FileSystemSyncAccessHandle, mark: () => Promise<void>) {
    this.#access = access;
    this.#mark = mark;
  }

  get size(): number {
    return this.#access.getSize();
  }

  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    const count = this.#access.read(bytes, { at: offset });
    return bytes.subarray(0, count);
  }

  write(offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    try {
      if (this.#access.write(bytes, { at: offset }) !== bytes.length) throw outOfSpace();
    } catch (error) {
      throw isNamed(error, 'QuotaExceededError') ? outOfSpace(error) : error;
    }
  }

  async finish(): Promise<void> {
    this.#access.flush();
    this.close();
    await this.#mark();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#access.close();
  }
}

/** Lives as long as the worker. */
export class MemoryBlobStorage implements BlobStorage {
  readonly kind = 'memory';
  readonly #done = new Map<string, Blob>();
  readonly #partial = new Map<string, Uint8Array<ArrayBuffer>>();

  async blob(cid: string): Promise<Blob | null> {
    return this.#done.get(cid) ?? null;
  }

  async openPartial(cid: string, bytes: number): Promise<PartialBlob> {
    this.#done.delete(cid);
    let buffer = this.#partial.get(cid);
    const isNew = buffer?.length !== bytes;
    if (buffer === undefined || isNew) buffer = allocate(bytes);
    this.#partial.set(cid, buffer);
    const held = buffer;
    return {
      size: isNew ? 0 : bytes,
      read: (offset, length) => held.slice(offset, offset + length),
      write: (offset, part) => held.set(part, offset),
      finish: async () => {
        this.#done.set(cid, new Blob([held]));
        this.#partial.delete(cid);
      },
      close: () => {},
    };
  }

  async list(): Promise<StoredBlob[]> {
    const done = [...this.#done].map(([cid, blob]) => ({ cid, bytes: blob.size, done: true }));
    return [...done, ...[...this.#partial].map(([cid, buffer]) => ({ cid, bytes: buffer.length, done: false }))];
  }

  async remove(cid: string): Promise<void> {
    this.#done.delete(cid);
    this.#partial.delete(cid);
  }
}

async function openAccess(handle: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await handle.createSyncAccessHandle();
    } catch (error) {
      if (isNamed(error, 'QuotaExceededError')) throw outOfSpace(error);
      if (!isNamed(error, 'NoModificationAllowedError') || attempt === busyTries) throw error;
      await new Promise((resolve) => setTimeout(resolve, busyWaitMs));
    }
  }
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new VesselError('out_of_memory', 'This tab has no memory left for the model. Pledge less memory and start again.', {
      cause,
    });
  }
}

export function outOfSpace(cause?: unknown): VesselError {
  return new VesselError(
    'out_of_memory',
    'The browser has no room to keep this part of the model. Free some disk space, or pledge less memory, and start again.',
    { cause },
  );
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
