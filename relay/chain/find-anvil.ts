import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const platforms: Record<string, string> = { linux: 'linux', darwin: 'darwin', win32: 'win32' };
const processors: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

/** The local chain's program out of the npm package of this platform; null where there is none. Never one from the PATH. */
export function findAnvil(platform: string = process.platform, processor: string = process.arch): string | null {
  const name = `@foundry-rs/anvil-${platforms[platform]}-${processors[processor]}`;
  try {
    const path = createRequire(import.meta.url).resolve(`${name}/bin/anvil${platform === 'win32' ? '.exe' : ''}`);
    return existsSync(path) ? path : null;
  } catch {
    return null;
  }
}
