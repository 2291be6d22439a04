/** Where this program's own files lie. The repository and the installed package have the same layout below their package.json. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The built page, or null before `npm run build`. */
export function pageFolder(): string | null {
  return fileFolder('dist/web', 'index.html');
}

/** The checkpoint of `vessel-tiny`, the model that comes with the program, or null. */
export function defaultModelFolder(): string | null {
  return fileFolder('public/models/vessel-tiny', 'config.json');
}

function fileFolder(path: string, proof: string): string | null {
  const root = programRoot();
  if (root === null) return null;
  const folder = join(root, path);
  return existsSync(join(folder, proof)) ? folder : null;
}

/** One level up from dist/ when bundled, two from relay/cli in the repository. */
function programRoot(): string | null {
  for (const up of ['..', '../..']) {
    const folder = fileURLToPath(new URL(up, import.meta.url));
    try {
      if (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name === 'vessel') return folder;
    } catch {
      // No package.json at this level.
    }
  }
  return null;
}

/** The repository's root, or null in an installed package. */
export function repositoryFolder(): string | null {
  const root = programRoot();
  return root !== null && existsSync(join(root, 'web', 'vite.config.ts')) ? root : null;
}
