/** The earnings of this browser's device key, looked up gently while somebody looks. */
import { useCallback, useEffect, useState } from 'react';
import { accountOf } from '../../../shared/receipts/account.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { openDeviceKey } from '../../net/device-key-store.ts';
import { type Earnings, newestEpoch, readEarnings } from './earnings-api.ts';

export interface EarningsView {
  account: Address;
  earnings: Earnings;
  /** Of the newest payroll file. */
  epoch: number | null;
}

const pollMs = 15_000;

/** null until it is known; what is known stays while the relay is away. */
export function useEarnings(operator: string): [EarningsView | null, () => Promise<void>] {
  const [view, setView] = useState<EarningsView | null>(null);
  const refresh = useCallback(async () => {
    try {
      const account = accountOf((await openDeviceKey()).publicKey);
      const [earnings, epoch] = await Promise.all([readEarnings(account), newestEpoch(operator)]);
      setView({ account, earnings, epoch });
    } catch {
      // The next look will tell.
    }
  }, [operator]);
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => document.visibilityState === 'visible' && void refresh(), pollMs);
    return () => clearInterval(timer);
  }, [refresh]);
  return [view, refresh];
}
