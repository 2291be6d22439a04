/** Two setups at once (two terminals, `npm start` beside `npm test`) must not install into the same folder. */
import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError, startClock } from './report.mjs';

const longestWaitMs = 20 * 60_000;

export async function withSetupLock(root, work) {
  const folder = join(root, '.vessel');
  const path = join(folder, 'setup.lock');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new SetupError(
      `this folder is not writable: ${root} (${error.code})`,
      'Run as its owner, or clone into a folder of your own.',
    );
  }
  await take(path);
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

async function take(path) {
  const deadline = Date.now() + longestWaitMs;
  let stop = null;
  try {
    while (!tryTake(path)) {
      if (Date.now() > deadline) throw new SetupError('another setup holds the lock for too long', `End it, or delete ${path}`);
      stop ??= startClock(`another setup (process ${holder(path) ?? '?'}) is at work, waiting`);
      await sleep(300);
    }
  } finally {
    stop?.();
  }
}

function tryTake(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const pid = holder(path);
  if (pid !== null && !isAlive(pid)) {
    // Renaming first makes sure that only one of several waiting setups clears the dead one's lock.
    const aside = `${path}.${process.pid}`;
    try {
      renameSync(path, aside);
      rmSync(aside, { force: true });
    } catch {
      // Somebody else was faster.
    }
  }
  return false;
}

function holder(path) {
  try {
    return Number(readFileSync(path, 'utf8')) || null;
  } catch {
    return null;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
