/** The built page. In the repository it is built when a source is newer than it; an installed package brings it along. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { CommandIo } from './command.ts';
import { pageFolder, repositoryFolder } from './program-files.ts';

const sources = ['web', 'sdk', 'provider', 'shared', 'public', 'package-lock.json'];

/** Returns the folder that holds index.html. Throws `unsupported` when there is no page and none can be built. */
export async function ensurePage(io: Pick<CommandIo, 'stderr'>): Promise<string> {
  const root = repositoryFolder();
  const built = pageFolder();
  if (root === null) {
    if (built) return built;
    throw new VesselError('unsupported', 'This installation came without the page. Install the package again.');
  }
  if (built && !(await isOlder(join(built, 'index.html'), root))) return built;
  io.stderr.write('building the page …\n');
  const began = performance.now();
  const { build } = await import('vite');
  await build({ root: join(root, 'web'), configFile: join(root, 'web', 'vite.config.ts'), logLevel: 'error' });
  io.stderr.write(`building the page: done (${((performance.now() - began) / 1000).toFixed(1)} s)\n`);
  return pageFolder()!;
}

async function isOlder(page: string, root: string): Promise<boolean> {
  const { mtimeMs } = await stat(page);
  for (const source of sources) if ((await newest(join(root, source))) > mtimeMs) return true;
  return false;
}

async function newest(path: string): Promise<number> {
  if (!existsSync(path)) return 0;
  const found = await stat(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const entries = await readdir(path, { withFileTypes: true });
  const times = entries
    .filter(({ name }) => !name.endsWith('.test.ts') && name !== 'dist')
    .map((entry) => newest(join(path, entry.name)));
  return Math.max(0, ...(await Promise.all(times)));
}
