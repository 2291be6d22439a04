/** API keys of a wallet: sign in, put money in, make keys, end them. */
import '../../styles/keys.css';
import { ActionNote } from '../money/action-note.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { useAction } from '../money/use-action.ts';
import { Notice } from '../support-notices.tsx';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import type { Wallet } from '../wallet/discover-wallets.ts';
import { useWallet, type Wallets } from '../wallet/use-wallet.ts';
import { WalletList } from '../wallet/wallet-list.tsx';
import { BalancePanel } from './balance-panel.tsx';
import { EndedKeys } from './ended-keys.tsx';
import { FreshSecret } from './fresh-secret.tsx';
import { KeyListPanel } from './key-list.tsx';
import { signOut } from './keys-api.ts';
import { NewKeyPanel } from './new-key-panel.tsx';
import { signInWith } from './sign-in-with.ts';
import { useAccount } from './use-account.ts';
import { useSecret } from './use-secret.ts';
import { WhoPanel } from './who-panel.tsx';

export default function KeysScreen(props: { money: NetworkMoney }) {
  const { money } = props;
  const [view, refresh] = useAccount(money.terms);
  const wallets = useWallet(money);
  const [secret, setSecret] = useSecret();

  switch (view.state) {
    case 'looking':
      return <section className="panel" aria-busy="true" aria-label="API keys" />;
    case 'failed':
      return (
        <Notice tone="warn" title="Your keys cannot be shown right now">
          {view.problem}
        </Notice>
      );
    case 'out':
      return <SignIn wallets={wallets} onDone={refresh} />;
    case 'in': {
      const { address, list, funds } = view;
      // A wallet that names another account cannot sign for this one.
      const wallet = wallets.connected?.address === address ? wallets.connected : null;
      const isReady = list.data.some(({ id, status }) => id === secret?.id && status === 'active');
      return (
        <div className="keys">
          <WhoPanel address={address} wallets={wallets} onSignOut={() => void signOut().then(refresh)} onSignIn={refresh} />
          {secret !== null && isReady && <FreshSecret secret={secret} onDone={() => setSecret(null)} />}
          <BalancePanel money={money} address={address} free={list.balance} funds={funds} wallet={wallet} onChange={refresh} />
          <NewKeyPanel free={list.balance} wallet={wallet} onSecret={setSecret} onChange={refresh} />
          <EndedKeys ended={list.ended} wallet={wallet} onChange={refresh} />
          <KeyListPanel
            terms={money.terms}
            keys={list.data}
            wallet={wallet}
            onChange={refresh}
            onRevoked={(id) => {
              if (secret?.id === id) setSecret(null);
            }}
          />
        </div>
      );
    }
    default:
      return view satisfies never;
  }
}

/** One press where the wallet is known, and the choice of a wallet before that. */
function SignIn(props: { wallets: Wallets; onDone: () => Promise<void> }) {
  const { wallets, onDone } = props;
  const action = useAction();
  const { connected } = wallets;
  const signIn = (find: () => Promise<ConnectedWallet>) =>
    action.run('Open your wallet and answer it…', async (say) => {
      const wallet = await find();
      say('Sign the message in your wallet: it costs nothing…');
      await signInWith(wallet);
      await onDone();
    });
  const choose = (wallet: Wallet) => void signIn(() => wallets.connect(wallet));
  return (
    <section className="panel keys-panel" aria-labelledby="sign-in-title">
      <h2 id="sign-in-title">Sign in with your wallet</h2>
      <p className="lead">
        Your wallet is your account: there is no password and no registration. It signs one sentence that names this site, which
        moves no money.
      </p>
      {connected === null ? (
        <WalletList wallets={wallets.found} disabled={action.doing !== null} onChoose={choose} />
      ) : (
        <div className="row">
          <button
            type="button"
            className="button"
            disabled={action.doing !== null}
            onClick={() => void signIn(() => Promise.resolve(connected))}
          >
            Sign in with {connected.wallet.name}
          </button>
          <button type="button" className="button-small" onClick={wallets.disconnect}>
            Other wallet
          </button>
        </div>
      )}
      <ActionNote action={action} />
    </section>
  );
}
