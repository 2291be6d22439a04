import { mkdir, open, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';

/** A checkpoint in memory: file name to bytes. */
export type CheckpointFilesInMemory = Map<string, Uint8Array<ArrayBuffer>>;

export function memoryCheckpoint(files: CheckpointFilesInMemory): CheckpointSource {
  const require = (file: string) => {
    const bytes = files.get(file);
    if (!bytes) throw new Error(`No file ${file}`);
    return bytes;
  };
  return {
    files: async () => [...files.keys()],
    size: async (file) => require(file).length,
    read: async (file, offset, length) => require(file).slice(offset, offset + length),
  };
}

/** A checkpoint in a folder. Files are opened for each read: enough for tests. */
export function folderCheckpoint(folder: string): CheckpointSource {
  return {
    files: () => readdir(folder),
    size: async (file) => (await stat(join(folder, file))).size,
    async read(file, offset, length) {
      const handle = await open(join(folder, file));
      try {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        return bytes.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    },
  };
}

export async function writeCheckpoint(files: CheckpointFilesInMemory, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(folder, name), bytes);
}
