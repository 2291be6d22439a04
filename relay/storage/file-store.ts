import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TextStore } from './text-store.ts';

/** A text in one file, readable by its owner alone. Written beside and renamed over, so a crash leaves the old text. */
export class FileStore implements TextStore {
  readonly #path: string;
  /** Writes run one after the other, in the order in which they were asked for. */
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<string | null> {
    try {
      return await readFile(this.#path, 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  write(text: string): Promise<void> {
    const write = this.#lastWrite.then(() => this.#replace(text));
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }

  async #replace(text: string): Promise<void> {
    const folder = dirname(this.#path);
    await mkdir(folder, { recursive: true });
    const beside = `${this.#path}.new`;
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, this.#path);
    // The rename itself is durable only when the folder is.
    const entry = await open(folder, 'r');
    try {
      await entry.sync();
    } finally {
      await entry.close();
    }
  }
}
