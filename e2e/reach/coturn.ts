/** A real coturn on this machine, with the configuration that `vessel relay --print-coturn` prints, opened for loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coturnConfig } from '../../relay/reach/coturn-config.ts';
import type { TurnService } from '../../relay/reach/turn-credentials.ts';
import { until } from '../harness/until.ts';

/** For `test({ skip })`: why not, or false. */
export const skipWithoutCoturn = hasCoturn() ? false : 'there is no turnserver here (Debian: apt-get install -y coturn)';

function hasCoturn(): boolean {
  try {
    execFileSync('turnserver', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (thrown) {
    // It says its version and exits with 255.
    return (thrown as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

export class Coturn {
  readonly service: TurnService;
  readonly #process: ChildProcess;
  readonly #folder: string;

  static async start(lifetimeMs = 3_600_000): Promise<Coturn> {
    const port = await freePort();
    const service = { urls: [`turn:127.0.0.1:${port}?transport=udp`], secret: 'a-secret-between-relay-and-turn', lifetimeMs };
    const folder = mkdtempSync(join(tmpdir(), 'vessel-turn-'));
    const config = coturnConfig(service)
      .split('\n')
      .filter((line) => !line.startsWith('denied-peer-ip='));
    const own = [
      'listening-ip=127.0.0.1',
      'relay-ip=127.0.0.1',
      'allow-loopback-peers',
      'log-file=stdout',
      'verbose',
      `userdb=${join(folder, 'db')}`,
      `pidfile=${join(folder, 'pid')}`,
    ];
    writeFileSync(join(folder, 'turnserver.conf'), [...config, ...own, ''].join('\n'));
    const child = spawn('turnserver', ['-c', join(folder, 'turnserver.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
    const coturn = new Coturn(service, child, folder);
    await until('coturn listens', () => {
      if (child.exitCode !== null) throw new Error(`coturn has ended:\n${coturn.log}`);
      return /UDP listener opened on/.test(coturn.log);
    });
    return coturn;
  }

  log = '';

  private constructor(service: TurnService, child: ChildProcess, folder: string) {
    this.service = service;
    this.#process = child;
    this.#folder = folder;
    for (const out of [child.stdout!, child.stderr!]) {
      out.on('data', (chunk) => {
        this.log += chunk;
      });
    }
  }

  /** By peer, the second part of the user names: when the passwords of its allocations end, the first part. */
  allocations(): Map<string, Set<number>> {
    const found = new Map<string, Set<number>>();
    for (const [, end, peer] of this.log.matchAll(/user <(\d+):(\w+)>: incoming packet ALLOCATE processed, success/g)) {
      found.set(peer!, (found.get(peer!) ?? new Set()).add(Number(end)));
    }
    return found;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
