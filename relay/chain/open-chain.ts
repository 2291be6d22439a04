/** `RelayChain` over any node: what `vessel relay --chain` and the local network share. */
import type { PublicClient } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { systemClock } from '../../provider/system-clock.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { askNode } from './chain-errors.ts';
import type { Deployment } from './deploy.ts';
import type { Faucet, RelayChain } from './relay-chain.ts';
import { TransactionSender } from './transaction-sender.ts';
import { ViemChain } from './viem-chain.ts';

export interface OpenChainOptions {
  rpcUrl: string;
  client: PublicClient;
  deployment: Deployment;
  key: PrivateKeyAccount;
  confirmations: number;
  /** Left out: the hot key itself. */
  operator?: Address;
  faucet?: Faucet;
  pollMs?: number;
  onTrouble?: (error: VesselError) => void;
}

export function openChain({ client, deployment, key, confirmations, ...options }: OpenChainOptions): RelayChain {
  const { chainId, addresses, firstBlock } = deployment;
  return {
    chain: new ViemChain(client, { chainId, addresses, confirmations, firstBlock }),
    rpcUrl: options.rpcUrl,
    key,
    operator: options.operator ?? (key.address.toLowerCase() as Address),
    faucet: options.faucet ?? null,
    openSender: (ledger) =>
      new TransactionSender({
        client,
        chainId,
        addresses,
        confirmations,
        ledger,
        key,
        clock: systemClock,
        ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
        ...(options.onTrouble ? { onTrouble: options.onTrouble } : {}),
      }),
  };
}

/** Throws `bad_request` when the node is of another chain than the addresses. */
export async function requireChain(client: PublicClient, { chainId }: Deployment): Promise<void> {
  const actual = await askNode(() => client.getChainId());
  if (actual === chainId) return;
  throw new VesselError('bad_request', `The node is of chain ${actual}, the addresses are of chain ${chainId}.`);
}
