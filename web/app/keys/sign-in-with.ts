/** Sign-In with Ethereum (EIP-4361): the wallet signs a sentence that names this site, and nothing that could move money. */
import { getAddress } from 'viem';
import { createSiweMessage } from 'viem/siwe';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { readNonce, signIn } from './keys-api.ts';

export async function signInWith(wallet: ConnectedWallet): Promise<void> {
  const { nonce, chain_id: chainId, domains } = await readNonce();
  if (!domains.includes(location.host)) {
    throw new VesselError(
      'forbidden',
      `Wallets can sign in at ${domains.join(' or ')}, but this page was opened at ${location.host}. Open it there.`,
    );
  }
  const message = createSiweMessage({
    address: getAddress(wallet.address),
    domain: location.host,
    uri: location.origin,
    version: '1',
    chainId,
    nonce,
    issuedAt: new Date(),
    statement: 'Sign in to see and manage your API keys. This costs nothing.',
  });
  await signIn(message, await wallet.signMessage(message));
}
