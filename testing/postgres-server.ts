/** A Postgres server of a test's own, on a socket in a folder of its own; null where its programs are not installed. */
import { execFile, spawn } from 'node:child_process';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface PostgresServer {
  url: string;
  stop(): Promise<void>;
}

export async function findPostgres(): Promise<string | null> {
  const debian = '/usr/lib/postgresql';
  const versions = await readdir(debian).catch(() => [] as string[]);
  const folders = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [] as string[]);
    if (names.includes('initdb') && names.includes('postgres')) return folder;
  }
  return null;
}

export async function startPostgres(programs: string): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-pg-'));
  // The server refuses to run as root; Debian's package brings a user for it.
  const user = process.getuid?.() === 0 ? await ownerIds() : null;
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  await run(join(programs, 'initdb'), ['-D', data, '-U', 'vessel', '--auth=trust', '--no-sync'], { ...user, cwd: folder });
  const server = spawn(join(programs, 'postgres'), ['-D', data, '-k', folder, '-c', 'listen_addresses='], {
    ...user,
    cwd: folder,
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const isReady = () =>
    run(join(programs, 'psql'), ['-h', folder, '-U', 'vessel', '-c', 'select 1', 'postgres']).then(
      () => true,
      () => false,
    );
  while (!(await isReady()) && server.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 100));
  return {
    url: `postgresql://vessel@localhost/postgres?host=${encodeURIComponent(folder)}`,
    async stop() {
      server.kill('SIGINT');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ownerIds(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)));
  return { uid: uid!, gid: gid! };
}
