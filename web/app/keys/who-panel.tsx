/** Who is signed in, and whether the wallet that can sign for them is there. */
import type { Address } from '../../../shared/receipts/hex.ts';
import { ActionNote } from '../money/action-note.tsx';
import { shortAddress } from '../money/short-address.ts';
import { useAction } from '../money/use-action.ts';
import type { Wallet } from '../wallet/discover-wallets.ts';
import type { Wallets } from '../wallet/use-wallet.ts';
import { WalletList } from '../wallet/wallet-list.tsx';
import { signInWith } from './sign-in-with.ts';

export function WhoPanel(props: { address: Address; wallets: Wallets; onSignOut: () => void; onSignIn: () => Promise<void> }) {
  const { address, wallets, onSignOut, onSignIn } = props;
  const action = useAction();
  const { connected } = wallets;
  const connect = (wallet: Wallet) =>
    void action.run('Open your wallet and answer it…', async () => {
      await wallets.connect(wallet);
    });
  const change = () =>
    void action.run('Sign the message in your wallet: it costs nothing…', async () => {
      if (connected) await signInWith(connected);
      await onSignIn();
    });
  return (
    <div className="who">
      <div className="row">
        <p>
          Signed in as <strong title={address}>{shortAddress(address)}</strong>
          {connected?.address === address && ` with ${connected.wallet.name}`}
        </p>
        <button type="button" className="button-small" onClick={onSignOut}>
          Sign out
        </button>
      </div>
      {connected === null && (
        <>
          <p className="panel-note">Connect your wallet to deposit and to make keys:</p>
          <WalletList wallets={wallets.found} disabled={action.doing !== null} onChoose={connect} />
        </>
      )}
      {connected !== null && connected.address !== address && (
        <div className="notice" data-tone="warn" role="note">
          <p className="notice-title">{connected.wallet.name} is on another account</p>
          <p>
            It shows {shortAddress(connected.address)}. Go back to {shortAddress(address)} in the wallet, or{' '}
            <button type="button" className="link" onClick={change}>
              sign in as {shortAddress(connected.address)}
            </button>
            .
          </p>
        </div>
      )}
      <ActionNote action={action} />
    </div>
  );
}
