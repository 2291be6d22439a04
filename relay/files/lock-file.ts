import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { VesselError } from '../../shared/protocol/errors.ts';
import { isProcessAlive } from './process-alive.ts';

export interface FolderLock {
  release(): Promise<void>;
}

/** Attempts until a stale lock that others clear at the same moment is surely gone. */
const maxAttempts = 20;

/**
 * Takes a lock that lies as a file with the holder's process id. The lock of a process that has died is taken over.
 * Throws `forbidden` with `complaint` and the holder's id while another process lives, or this one holds it already.
 */
export async function lockFile(path: string, complaint: string): Promise<FolderLock> {
  const mine = `${process.pid} ${randomUUID()}`;
  const draft = `${path}.${randomUUID()}`;
  // Written aside and linked: the lock never exists without its holder's id.
  await writeFile(draft, mine, { flag: 'wx' });
  try {
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      if (await tryLink(draft, path)) return { release: () => releaseIfMine(path, mine) };
      const holder = await readFile(path, 'utf8').catch(() => null);
      if (holder === null) continue;
      const pid = Number(holder.split(' ')[0]);
      if (isProcessAlive(pid))
        throw new VesselError('forbidden', `${complaint} (process ${pid}). Stop it, or use another folder.`);
      await clearStale(path, holder);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new VesselError('forbidden', `${complaint}. Delete ${path} if you are sure that it is not.`);
}

async function tryLink(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves the dead one's lock aside, looks whether it really was that one, and puts a living one back. */
async function clearStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return; // Somebody else was faster.
  }
  if ((await readFile(aside, 'utf8')) !== stale) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function releaseIfMine(path: string, mine: string): Promise<void> {
  const holder = await readFile(path, 'utf8').catch(() => null);
  if (holder === mine) await rm(path, { force: true });
}
