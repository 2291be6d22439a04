/** The wallets in this browser and the one this page is connected to, which is found again after a reload. */
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import type { NetworkMoney } from '../money/network-money.ts';
import { askForAccount, ConnectedWallet } from './connected-wallet.ts';
import { discoverWallets, type Wallet } from './discover-wallets.ts';

const lastWallet = 'vessel.wallet';
const discovered = discoverWallets();

export interface Wallets {
  found: readonly Wallet[];
  connected: ConnectedWallet | null;
  connect(wallet: Wallet): Promise<ConnectedWallet>;
  disconnect(): void;
}

export function useWallet(money: NetworkMoney): Wallets {
  const found = useSyncExternalStore(discovered.subscribe, discovered.getSnapshot);
  const [chosen, setChosen] = useState<{ wallet: Wallet; address: Address } | null>(null);

  useEffect(() => {
    const wallet = found.find(({ rdns }) => rdns === remembered());
    if (!wallet) return;
    let isCurrent = true;
    askForAccount(wallet, { silent: true }).then(
      (address) => isCurrent && address !== null && setChosen((now) => now ?? { wallet, address }),
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [found]);

  const wallet = chosen?.wallet;
  useEffect(() => {
    if (!wallet) return;
    const onChange = ([first]: string[]) =>
      setChosen(first === undefined ? null : { wallet, address: first.toLowerCase() as Address });
    wallet.provider.on?.('accountsChanged', onChange);
    return () => void wallet.provider.removeListener?.('accountsChanged', onChange);
  }, [wallet]);

  const connect = useCallback(
    async (asked: Wallet) => {
      const address = await askForAccount(asked);
      if (address === null) throw new VesselError('forbidden', 'The wallet named no account. Unlock it and try again.');
      remember(asked.rdns);
      setChosen({ wallet: asked, address });
      return new ConnectedWallet(asked, address, money);
    },
    [money],
  );
  const disconnect = useCallback(() => {
    remember(null);
    setChosen(null);
  }, []);
  const connected = useMemo(() => chosen && new ConnectedWallet(chosen.wallet, chosen.address, money), [chosen, money]);
  return { found, connected, connect, disconnect };
}

function remembered(): string | null {
  try {
    return localStorage.getItem(lastWallet);
  } catch {
    return null;
  }
}

function remember(rdns: string | null): void {
  try {
    if (rdns === null) localStorage.removeItem(lastWallet);
    else localStorage.setItem(lastWallet, rdns);
  } catch {
    // Without storage the person chooses again.
  }
}
