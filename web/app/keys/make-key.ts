/** From a name and a cap to a key that can spend, and back to nothing when the person declines on the way. */
import { authorizationToSign } from '../../../sdk/paying/session-key.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { walletErrorCode } from '../wallet/eip1193.ts';
import { authorizeKey, createKey, type PaidKey, revokeKey } from './keys-api.ts';

const declined = 4001;

export interface NewKey {
  name: string;
  cap: bigint;
  /** Unix seconds. */
  expiry: number;
}

export interface MakeKeyHooks {
  /** Before the wallet is asked: from here on the secret must not be lost. null: there is no such key any more. */
  onSecret(secret: { id: string; name: string; secret: string } | null): void;
  say(words: string): void;
}

export async function makeKey(wallet: ConnectedWallet, asked: NewKey, { onSecret, say }: MakeKeyHooks): Promise<void> {
  const { id, secret, authorization } = await createKey(asked);
  onSecret({ id, name: asked.name, secret });
  say('Sign the authorization in your wallet…');
  try {
    const signature = await wallet.signTypedData(authorization);
    say('Bringing it to the chain…');
    await authorizeKey(id, signature);
  } catch (thrown) {
    if (walletErrorCode(thrown) !== declined) throw thrown;
    await revokeKey(id);
    onSecret(null);
    throw new VesselError('forbidden', 'You declined in your wallet, so no key was made.', { cause: thrown });
  }
}

/** For a key that was made, but whose signature never reached the chain. */
export async function finishKey(wallet: ConnectedWallet, terms: NetworkTerms, key: PaidKey): Promise<void> {
  const { session_key: sessionKey, cap, expiry } = key;
  const { domain, types, primaryType } = authorizationToSign(terms, { payer: wallet.address, sessionKey, cap, expiry });
  const signature = await wallet.signTypedData({
    domain,
    types: {
      EIP712Domain: [
        { name: 'name', type: 'string' },
        { name: 'version', type: 'string' },
        { name: 'chainId', type: 'uint256' },
        { name: 'verifyingContract', type: 'address' },
      ],
      ...types,
    },
    primaryType,
    message: { payer: wallet.address, sessionKey, cap: cap.toString(), expiry },
  });
  await authorizeKey(key.id, signature);
}
