/**
 * While a relay runs, its books are in its hands alone: `vessel books` asks it over a socket in the data folder, which nobody but the
 * folder's owner can reach.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { VesselError } from '../../shared/protocol/errors.ts';

export function booksSocketPath(relayFolder: string): string {
  return join(relayFolder, 'books.sock');
}

/** `answer` gives JSON text for a path such as `/check`; null: there is no such thing. */
export async function serveBooks(path: string, answer: (path: string) => Promise<string | null>): Promise<() => Promise<void>> {
  // Left by a relay that was killed: the data folder's lock says that we are the only one.
  await rm(path, { force: true });
  const server = createServer((asked, response) => {
    answer(asked.url ?? '/').then(
      (text) => response.writeHead(text === null ? 404 : 200).end(text ?? ''),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  await chmod(path, 0o600);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(path, { force: true });
  };
}

/** null: no relay answers there. */
export function askBooks(socketPath: string, path: string): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new VesselError('internal', `The relay could not tell: ${text || 'it does not know this question'}`));
      });
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else reject(error);
    });
    asked.end();
  });
}
