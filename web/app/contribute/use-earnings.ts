/** The earnings of this browser's device key, looked up gently while somebody looks. */
import { useCallback, useEffect, useState } from 'react';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import { accountOf } from '../../../shared/receipts/account.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { openDeviceKey } from '../../net/device-key-store.ts';
import { isKeyOf } from '../passkey/is-key-of.ts';
import { knownPasskey } from '../passkey/known-passkey.ts';
import { type Earnings, newestEpoch, readEarnings } from './earnings-api.ts';

export interface EarningsView {
  account: Address;
  earnings: Earnings;
  /** The chain knows a passkey that this browser made for the account. */
  hasPasskey: boolean;
  /** Of the newest payroll file. */
  epoch: number | null;
}

const pollMs = 15_000;

/** null until it is known; what is known stays while the relay is away. */
export function useEarnings(terms: NetworkTerms): [EarningsView | null, () => Promise<void>] {
  const [view, setView] = useState<EarningsView | null>(null);
  const refresh = useCallback(async () => {
    try {
      const account = accountOf((await openDeviceKey()).publicKey);
      const passkey = knownPasskey(account);
      const [earnings, epoch, hasPasskey] = await Promise.all([
        readEarnings(account),
        newestEpoch(terms.operator),
        passkey !== null && isKeyOf(terms, account, passkey),
      ]);
      setView({ account, earnings, epoch, hasPasskey });
    } catch {
      // The next look will tell.
    }
  }, [terms]);
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => document.visibilityState === 'visible' && void refresh(), pollMs);
    return () => clearInterval(timer);
  }, [refresh]);
  return [view, refresh];
}
