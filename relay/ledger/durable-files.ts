/**
 * PGlite's file system with a working fsync. As it comes, PGlite 0.5 runs with `fsync` off and a flush of its files does nothing: what was
 * committed outlives the process, but a power cut can take it back, and leave the files half written.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** The part of Emscripten's NODEFS that is changed. A stream of a folder has no descriptor. */
interface NodeFiles {
  stream_ops: { fsync?: (stream: { nfd?: number; node: unknown }) => number };
  realPath(node: unknown): string;
}
type Init = Parameters<NodeFS['init']>;
type PreRun = (module: { NODEFS: NodeFiles }) => void;

export class DurableFiles extends NodeFS {
  /** How often the disk was waited for. */
  flushes = 0;

  override async init(...[pg, options]: Init): ReturnType<NodeFS['init']> {
    const { emscriptenOpts } = await super.init(pg, options);
    const addFlush: PreRun = ({ NODEFS }) => {
      NODEFS.stream_ops.fsync = ({ nfd, node }) => {
        if (nfd === undefined) syncFolder(NODEFS.realPath(node));
        else fsyncSync(nfd);
        this.flushes += 1;
        return 0;
      };
    };
    const before = (emscriptenOpts.preRun ?? []) as PreRun[];
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...before, addFlush] as never } };
  }
}

/** `-F` turns fsync off. Of the ways to flush the log, only plain fsync reaches the file system here. */
export const durableStartParams = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'wal_sync_method=fsync',
];

/** For files that were written before anybody flushed: the folder and all below it. At once, so that the disk takes them together. */
export async function syncTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? syncTree(path) : entry.isFile() ? syncFile(path) : undefined;
    }),
  );
  syncFolder(folder);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.sync().finally(() => file.close());
}

function syncFolder(path: string): void {
  // Windows has no descriptor for a folder; its file systems write names down by themselves.
  if (process.platform === 'win32') return;
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
