/** The secret that relay and TURN server share, in a file of its own that only its owner reads. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { VesselError } from '../../shared/protocol/errors.ts';

const secretBytes = 32;
/** coturn takes the secret as one word of its configuration: what could end a line or open a comment stays out. */
const secretPattern = /^[A-Za-z0-9_+/=-]{16,200}$/;

/** Rejects with `bad_request` when the file is missing or holds no secret. */
export async function readTurnSecret(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new VesselError('bad_request', `The TURN secret ${path} cannot be read. \`vessel relay … --print-coturn\` makes one.`, {
      cause,
    });
  });
  const secret = text.trim();
  if (!secretPattern.test(secret)) {
    throw new VesselError('bad_request', `${path} must hold one word of 16 to 200 letters, digits, or _ + / = -.`);
  }
  return secret;
}

/** The secret of the file; a new one if there is no file. */
export async function ensureTurnSecret(path: string): Promise<string> {
  const secret = randomBytes(secretBytes).toString('base64url');
  try {
    await writeFile(path, `${secret}\n`, { mode: 0o600, flag: 'wx' });
    return secret;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return readTurnSecret(path);
    throw new VesselError('bad_request', `The TURN secret ${path} cannot be written: ${(thrown as Error).message}.`, {
      cause: thrown,
    });
  }
}
