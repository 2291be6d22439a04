/** What the data folder keeps about chains. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { localChainId } from '../chain/local-chain.ts';
import type { LocalNetworkFolders } from '../chain/local-network.ts';
import { FileStore } from '../storage/file-store.ts';
import type { DataFolder } from './data-folder.ts';

/** Addresses of the contracts on a chain, and the journal of their deployment. */
export function addressesPath({ path }: DataFolder, chainId: number): string {
  return join(path, 'chains', `${chainId}.json`);
}

/** The relay's hot key. */
export function hotKeyPath({ relay }: DataFolder): string {
  return join(relay, 'hot-key');
}

/** The hot key that is about to be, while a rotation is under way. */
export function nextHotKeyPath(data: DataFolder): string {
  return `${hotKeyPath(data)}.next`;
}

/** Whose payroll it is, where that is not the hot key itself. */
export function operatorPath({ relay }: DataFolder): string {
  return join(relay, 'operator');
}

/** null: the hot key is the operator. Throws `forbidden` for a file with anything else than an address in it. */
export async function readOperator(data: DataFolder): Promise<Address | null> {
  const text = (await new FileStore(operatorPath(data)).read())?.trim().toLowerCase();
  if (text === undefined) return null;
  if (!/^0x[0-9a-f]{40}$/.test(text)) throw new VesselError('forbidden', `${operatorPath(data)} does not hold an address.`);
  return text as Address;
}

/** The rotation is over. */
export async function forgetNextKey(data: DataFolder): Promise<void> {
  await rm(nextHotKeyPath(data), { force: true });
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
