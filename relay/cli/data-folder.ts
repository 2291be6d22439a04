/**
 * The one folder where Vessel keeps things on this machine: ~/.vessel, or VESSEL_HOME, or --data.
 *
 *   version.json   {"format": "vessel-data", "version": N}; also the sign that this folder is Vessel's
 *   relay.lock     process id of the relay that uses the folder
 *   models/        model store
 *   downloads/     unfinished downloads from a hub
 *   relay/         what a relay must not lose: its peer key and the API keys
 *   device-key     identity of `vessel provide`
 *   blobs/         weights that `vessel provide` fetched
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import { type FolderLock, lockFile } from '../files/lock-file.ts';
import { explainDiskError, writeAtomically } from '../files/write-atomically.ts';
import { type Migration, migrations as realMigrations } from './data-migrations.ts';

const versionSchema = z.strictObject({ format: z.literal('vessel-data'), version: z.number().int().nonnegative() });

export class DataFolder {
  readonly path: string;
  readonly models: string;
  readonly downloads: string;
  readonly relay: string;

  constructor(path: string) {
    this.path = resolve(path);
    this.models = join(this.path, 'models');
    this.downloads = join(this.path, 'downloads');
    this.relay = join(this.path, 'relay');
  }

  /** Keeps a second relay out of this folder. Throws `forbidden` and names the process that has it. */
  lock(): Promise<FolderLock> {
    return lockFile(join(this.path, 'relay.lock'), `The data folder ${this.path} is used by another relay`);
  }

  /** Bytes of all files below. */
  async size(): Promise<number> {
    const entries = await readdir(this.path, { withFileTypes: true, recursive: true });
    const sizes = entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  /** Deletes everything in the folder and the folder itself. Throws `forbidden` while a relay uses it. */
  async reset(): Promise<void> {
    const lock = await this.lock();
    try {
      await rm(this.path, { recursive: true, force: true });
    } finally {
      await lock.release();
    }
  }
}

/** Where the data folder is: `override` (--data), else VESSEL_HOME, else ~/.vessel. */
export function dataFolderPath(env: Record<string, string | undefined>, override?: string): string {
  return resolve(override || env.VESSEL_HOME || join(env.HOME || homedir(), '.vessel'));
}

/**
 * The data folder, made if it is not there, brought to this version's layout if it is older. Throws `version_mismatch` if it is
 * newer, `forbidden` if the folder holds something that is not Vessel's or may not be written.
 */
export async function openDataFolder(path: string, migrations: readonly Migration[] = realMigrations): Promise<DataFolder> {
  const folder = new DataFolder(path);
  try {
    await mkdir(folder.path, { recursive: true });
    const newest = migrations.length;
    const version = await readFolderVersion(folder.path);
    if (version === null) await claim(folder.path, newest);
    else if (version > newest) throw tooNew(folder.path, version, newest);
    else if (version < newest) await migrate(folder.path, migrations);
    for (const part of [folder.models, folder.downloads, folder.relay]) await mkdir(part, { recursive: true });
  } catch (cause) {
    throw explainDiskError(cause, folder.path);
  }
  return folder;
}

/** The data folder if there is one at `path`; never makes or changes anything. */
export async function findDataFolder(path: string): Promise<DataFolder | null> {
  return existsSync(path) && (await readFolderVersion(path)) !== null ? new DataFolder(path) : null;
}

async function readFolderVersion(path: string): Promise<number | null> {
  const text = await readFile(join(path, 'version.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return versionSchema.parse(JSON.parse(text)).version;
  } catch (cause) {
    throw new VesselError(
      'forbidden',
      `${join(path, 'version.json')} is not one that Vessel wrote. Choose another folder with --data or VESSEL_HOME.`,
      { cause },
    );
  }
}

/** An empty folder becomes ours. One with other things in it stays as it is: `vessel data reset` would delete them. */
async function claim(path: string, version: number): Promise<void> {
  const names = await readdir(path);
  // A partial version file or a lock may be there from a start that was killed, or from one that runs beside us.
  const foreign = names.filter((name) => !name.startsWith('version.json') && !name.endsWith('.lock'));
  if (foreign.length > 0) {
    throw new VesselError(
      'forbidden',
      `${path} is not empty and not Vessel's (it holds ${foreign[0]}). Choose another folder with --data or VESSEL_HOME.`,
    );
  }
  await writeVersion(path, version);
}

async function migrate(path: string, migrations: readonly Migration[]): Promise<void> {
  const lock = await lockFile(join(path, 'migration.lock'), `The data folder ${path} is being migrated by another process`);
  try {
    for (let version = (await readFolderVersion(path)) ?? 0; version < migrations.length; version += 1) {
      await migrations[version]!.run(path);
      await writeVersion(path, version + 1);
    }
  } finally {
    await lock.release();
  }
}

function writeVersion(path: string, version: number): Promise<void> {
  return writeAtomically(
    join(path, 'version.json'),
    new TextEncoder().encode(`${JSON.stringify({ format: 'vessel-data', version })}\n`),
  );
}

function tooNew(path: string, version: number, newest: number): VesselError {
  return new VesselError(
    'version_mismatch',
    `The data folder ${path} was written by a newer Vessel (layout ${version}, this one knows ${newest}): update Vessel, or choose another folder with --data or VESSEL_HOME.`,
  );
}
