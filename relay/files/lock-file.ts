import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { VesselError } from '../../shared/protocol/errors.ts';
import { isProcessAlive } from './process-alive.ts';

export interface FolderLock {
  release(): Promise<void>;
}

/** Attempts until a stale lock that others clear at the same moment is surely gone. */
const maxAttempts = 20;
const retryMs = 10;

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
      const holder = await readHolder(path);
      if (holder === null) continue;
      if (isHolderAlive(holder)) {
        const [pid] = holder.split(' ');
        throw new VesselError('forbidden', `${complaint} (process ${pid}). Stop it, or use another folder.`);
      }
      if (await replaceStale(path, holder, draft)) return { release: () => releaseIfMine(path, mine) };
      await setTimeout(retryMs);
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

/**
 * Puts the draft in the place of a dead holder's lock. Only one can: a name made from the dead holder's text is taken first, and it goes away
 * in the same rename that puts the new lock into its place, so whoever gets that name later finds another holder there.
 */
async function replaceStale(path: string, stale: string, draft: string): Promise<boolean> {
  const claim = `${path}.${createHash('sha256').update(stale).digest('hex').slice(0, 16)}`;
  if (!(await tryLink(draft, claim))) {
    const other = await readHolder(claim);
    if (other === null || isHolderAlive(other) || !(await replaceStale(claim, other, draft))) return false;
  }
  if ((await readHolder(path)) !== stale) {
    await rm(claim, { force: true });
    return false;
  }
  await rename(claim, path);
  return true;
}

function readHolder(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch(() => null);
}

function isHolderAlive(holder: string): boolean {
  return isProcessAlive(Number(holder.split(' ')[0]));
}

async function releaseIfMine(path: string, mine: string): Promise<void> {
  if ((await readHolder(path)) === mine) await rm(path, { force: true });
}
