import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { VesselError } from '../../shared/protocol/errors.ts';

export const partialSuffix = '.partial';

/**
 * Writes a file that is either there whole or not at all, whenever the machine dies: bytes to disk first, then the name.
 * A full disk is told as such.
 */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomUUID()}${partialSuffix}`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw explainDiskError(cause, path);
  }
}

/** A file system error in words; anything else as it is. */
export function explainDiskError(cause: unknown, path: string): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new VesselError('out_of_memory', `The disk is full: free some space and run the command again (writing ${path}).`, {
      cause,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new VesselError('forbidden', `This folder is not writable: ${path}`, { cause });
  }
  return cause;
}
