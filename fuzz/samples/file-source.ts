import type { CheckpointSource } from '../../shared/models/checkpoint-source.ts';

/** A checkpoint folder in memory. */
export function fileSource(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): CheckpointSource {
  return {
    files: async () => [...files.keys()],
    size: async (file) => files.get(file)!.length,
    read: async (file, offset, length) => {
      const bytes = files.get(file)!;
      // As a real folder: a range that is not there is the caller's mistake.
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) throw new RangeError('read beyond the file');
      return bytes.slice(offset, offset + length);
    },
  };
}
