/** What the data folder keeps about chains. */
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
