/** A local chain in a temporary folder with the contracts on it: the real EVM, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findAnvil } from '../relay/chain/find-anvil.ts';
import { type LocalNetwork, openLocalNetwork } from '../relay/chain/local-network.ts';

/** For `{skip}`: false, or why a test of the chain cannot run here. */
export const skipWithoutAnvil = findAnvil() === null ? 'no anvil for this platform' : false;

export interface ChainUnderTest extends LocalNetwork {
  readonly folder: string;
  /** Any method of the node, its development ones included. */
  rpc<T = unknown>(method: string, params?: unknown[]): Promise<T>;
}

/** End it with `close()`, which forgets the folder too. */
export async function openChainUnderTest(): Promise<ChainUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-chain-'));
  const network = await openLocalNetwork({
    chain: join(folder, 'chain'),
    addresses: join(folder, 'addresses.json'),
    hotKey: join(folder, 'hot-key'),
  });
  return {
    ...network,
    folder,
    rpc: (method, params = []) => callNode(network.relayChain.rpcUrl, method, params),
    close: async () => {
      await network.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function callNode<T>(url: string, method: string, params: unknown[] = []): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}
