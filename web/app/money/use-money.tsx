/** The network's terms, for every screen. null: free, or not known yet; then nothing about money is shown. */
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import type { NetworkMoney } from './network-money.ts';

export type ReadMoney = () => Promise<NetworkMoney | null>;

const MoneyContext = createContext<NetworkMoney | null>(null);

export function MoneyProvider(props: { read: ReadMoney; children: ReactNode }) {
  const { read } = props;
  const [money, setMoney] = useState<NetworkMoney | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void read().then((known) => isCurrent && setMoney(known));
    return () => {
      isCurrent = false;
    };
  }, [read]);
  return <MoneyContext value={money}>{props.children}</MoneyContext>;
}

export function useMoney(): NetworkMoney | null {
  return useContext(MoneyContext);
}
