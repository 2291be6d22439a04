/** A Hugging Face model folder on this machine's disk. */
import { open, readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import type { CheckpointSource } from '../../shared/models/checkpoint-source.ts';
import { VesselError } from '../../shared/protocol/errors.ts';

export class FolderSource implements CheckpointSource {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = resolve(folder);
  }

  /** Every file below the folder, with forward slashes, sorted. Hidden folders (`.git`, `.cache`) are left out. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.folder, { withFileTypes: true, recursive: true });
    return entries
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => relative(this.folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
      .sort();
  }

  async size(file: string): Promise<number> {
    return (await stat(this.#path(file))).size;
  }

  async read(file: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    const handle = await open(this.#path(file), 'r');
    try {
      await fill(handle, bytes, offset, file);
    } finally {
      await handle.close();
    }
    return bytes;
  }

  /** An index file inside a checkpoint may name any path: it must not lead out of the folder. */
  #path(file: string): string {
    const path = resolve(this.folder, file);
    if (!path.startsWith(this.folder + sep))
      throw new VesselError('bad_checkpoint', `The checkpoint names a file outside of its folder: ${file}`);
    return path;
  }
}

/** Reads until `bytes` is full: one read call returns at most 2 GiB and may return less. */
async function fill(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, offset: number, file: string): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, 1 << 30), offset + done);
    if (bytesRead === 0)
      throw new VesselError('bad_checkpoint', `${file} ends before byte ${offset + bytes.length}: it is truncated.`);
    done += bytesRead;
  }
}
