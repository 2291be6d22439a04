import type { Wallet } from './discover-wallets.ts';

export function WalletList(props: { wallets: readonly Wallet[]; disabled: boolean; onChoose: (wallet: Wallet) => void }) {
  const { wallets, disabled, onChoose } = props;
  if (wallets.length === 0) {
    return (
      <p className="panel-note">
        No wallet has announced itself in this browser. Install one (MetaMask, Rabby and others do), then reload this page.
      </p>
    );
  }
  return (
    <ul className="wallets" aria-label="Wallets in this browser">
      {wallets.map((wallet) => (
        <li key={wallet.rdns}>
          <button type="button" className="wallet" disabled={disabled} onClick={() => onChoose(wallet)}>
            {wallet.icon === null ? (
              <span className="wallet-icon" aria-hidden="true">
                {wallet.name.slice(0, 1)}
              </span>
            ) : (
              <img className="wallet-icon" src={wallet.icon} alt="" width="32" height="32" />
            )}
            {wallet.name}
          </button>
        </li>
      ))}
    </ul>
  );
}
