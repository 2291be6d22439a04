/** Everything the keys screen shows of whoever signed in, read again after each change and gently in between. */
import { useCallback, useEffect, useState } from 'react';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { explainMoneyError } from '../money/explain-money-error.ts';
import { type KeyList, listKeys, readSession } from './keys-api.ts';
import { readFunds, type WalletFunds } from './page-chain.ts';

export type AccountView =
  | { state: 'looking' }
  | { state: 'out' }
  | { state: 'in'; address: Address; list: KeyList; funds: WalletFunds }
  | { state: 'failed'; problem: string };

const pollMs = 20_000;

export function useAccount(terms: NetworkTerms): [AccountView, () => Promise<void>] {
  const [view, setView] = useState<AccountView>({ state: 'looking' });
  const refresh = useCallback(async () => {
    try {
      const address = await readSession();
      const [list, funds] = await Promise.all([listKeys(), readFunds(terms, address)]);
      setView({ state: 'in', address, list, funds });
    } catch (thrown) {
      const isOut = thrown instanceof VesselError && thrown.code === 'unauthorized';
      if (isOut) setView({ state: 'out' });
      // What is on the screen is better than nothing while the relay or the chain is away.
      else setView((now) => (now.state === 'in' ? now : { state: 'failed', problem: explainMoneyError(thrown) }));
    }
  }, [terms]);
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => document.visibilityState === 'visible' && void refresh(), pollMs);
    return () => clearInterval(timer);
  }, [refresh]);
  return [view, refresh];
}
