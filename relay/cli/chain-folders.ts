/** What the data folder keeps about chains. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { localChainId } from '../chain/local-chain.ts';
import type { LocalNetworkFolders } from '../chain/local-network.ts';
import type { DataFolder } from './data-folder.ts';

/** Addresses of the contracts on a chain, and the journal of their deployment. */
export function addressesPath({ path }: DataFolder, chainId: number): string {
  return join(path, 'chains', `${chainId}.json`);
}

/** The relay's hot key. */
export function hotKeyPath({ relay }: DataFolder): string {
  return join(relay, 'hot-key');
}

export function localNetworkFolders(data: DataFolder): LocalNetworkFolders {
  return { chain: join(data.path, 'chain'), addresses: addressesPath(data, localChainId), hotKey: hotKeyPath(data) };
}

/** Forgets the local chain. Books and session keys belong to a chain: they are put aside, never deleted. `when` tells them apart. */
export async function forgetLocalChain(data: DataFolder, when: number): Promise<void> {
  const { chain, addresses } = localNetworkFolders(data);
  await rm(chain, { recursive: true, force: true });
  await rm(addresses, { force: true });
  for (const name of ['ledger', 'session-keys.json']) {
    const path = join(data.relay, name);
    await rename(path, `${path}.before-${when}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}
