/** `vessel relay --chain <url> --addresses <file>`: a chain that somebody else runs. */
import { existsSync } from 'node:fs';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { readDeployment } from '../chain/deploy.ts';
import { openHotKey } from '../chain/hot-key.ts';
import { openChain, requireChain } from '../chain/open-chain.ts';
import type { RelayChain } from '../chain/relay-chain.ts';
import { openClient } from '../chain/viem-chain.ts';
import { FileStore } from '../storage/file-store.ts';
import { addressesPath, hotKeyPath, nextHotKeyPath, readOperator } from './chain-folders.ts';
import type { CommandIo } from './command.ts';
import type { DataFolder } from './data-folder.ts';

export interface RemoteChainOptions {
  rpcUrl: string;
  /** Left out: the file that `vessel chain deploy` wrote into the data folder. */
  addresses?: string;
  confirmations: number;
  /** Left out: the one that the data folder names, or the hot key itself. */
  operator?: Address;
}

export async function openRemoteChain(data: DataFolder, options: RemoteChainOptions, io: CommandIo): Promise<RelayChain> {
  const client = openClient(options.rpcUrl);
  const path = options.addresses ?? addressesPath(data, await requireChainId(options.rpcUrl));
  const deployment = await readDeployment(new FileStore(path));
  if (!deployment) throw new VesselError('not_found', `${path} has no addresses of contracts: run vessel chain deploy first.`);
  await requireChain(client, deployment);
  if (existsSync(nextHotKeyPath(data)))
    throw new VesselError('forbidden', 'The change to a new hot key was interrupted: run vessel chain rotate-key again first.');
  const { rpcUrl, confirmations } = options;
  const operator = options.operator ?? (await readOperator(data));
  return openChain({
    rpcUrl,
    client,
    deployment,
    key: await openHotKey(hotKeyPath(data)),
    confirmations,
    ...(operator ? { operator } : {}),
    onTrouble: (error) => io.stderr.write(`${error.message}\n`),
  });
}

export async function requireChainId(rpcUrl: string): Promise<number> {
  try {
    return await openClient(rpcUrl).getChainId();
  } catch (cause) {
    throw new VesselError('chain_unavailable', `No chain answers at ${rpcUrl}. Is the address right?`, { cause });
  }
}
