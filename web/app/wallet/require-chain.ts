/** Brings a wallet to the network's chain, so that nothing is signed for another one. */
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkMoney } from '../money/network-money.ts';
import { type WalletProvider, walletErrorCode } from './eip1193.ts';

const unknownChain = 4902;

/** @throws VesselError `forbidden` when the wallet stays on another chain; the wallet's own error when the person declines */
export async function requireChain(provider: WalletProvider, { terms, local }: NetworkMoney): Promise<void> {
  const chainId = `0x${terms.chainId.toString(16)}`;
  if (await isOn(provider, terms.chainId)) return;
  try {
    await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] });
  } catch (thrown) {
    if (walletErrorCode(thrown) !== unknownChain) throw thrown;
    if (!local) {
      throw new VesselError('forbidden', `Your wallet does not know chain ${terms.chainId}. Add it there, then try again.`, {
        cause: thrown,
      });
    }
    await addLocalChain(provider, chainId);
  }
  if (await isOn(provider, terms.chainId)) return;
  throw new VesselError('forbidden', `Your wallet is on another chain. Switch it to chain ${terms.chainId}, then try again.`);
}

/** The relay passes calls on to its own node, so the wallet needs no other address. */
async function addLocalChain(provider: WalletProvider, chainId: string): Promise<void> {
  const chain = {
    chainId,
    chainName: 'Vessel local chain',
    nativeCurrency: { name: 'Test coin', symbol: 'ETH', decimals: 18 },
    rpcUrls: [`${location.origin}/v1/chain`],
  };
  await provider.request({ method: 'wallet_addEthereumChain', params: [chain] });
  // Wallets may add a chain without going to it.
  if (await isOn(provider, Number(chainId))) return;
  await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] });
}

async function isOn(provider: WalletProvider, chainId: number): Promise<boolean> {
  return Number(await provider.request({ method: 'eth_chainId' })) === chainId;
}
