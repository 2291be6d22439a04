/** An empty npm project in a temporary folder, as a stranger has it who installs one of our packages. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const repository = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** Runs a script of `scripts/` that makes a tarball and resolves to the tarball's path, its first line with one. */
export async function pack(script: string): Promise<string> {
  const { stdout } = await run(process.execPath, [join(repository, 'scripts', script)], { cwd: repository });
  const path = stdout.split('\n').find((line) => line.endsWith('.tgz'));
  if (path === undefined) throw new Error(`${script} printed no path:\n${stdout}`);
  return path;
}

export class FreshProject {
  readonly folder: string;

  /** With `tarball` installed from npm's cache or the registry. */
  static async with(tarball: string): Promise<FreshProject> {
    const project = new FreshProject(await mkdtemp(join(tmpdir(), 'vessel-project-')));
    await project.write('package.json', JSON.stringify({ name: 'stranger', version: '1.0.0', private: true, type: 'module' }));
    await project.run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball]);
    return project;
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), text);
  }

  /** What the program wrote to standard output. Rejects with all of its output when it fails or takes over two minutes. */
  async run(program: string, args: string[]): Promise<string> {
    try {
      const { stdout } = await run(program, args, { cwd: this.folder, timeout: 120_000 });
      return stdout;
    } catch (cause) {
      const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
      throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause });
    }
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
