/** The wallets in this browser, each of which announces itself (EIP-6963). */
import { z } from 'zod';
import type { Observable } from '../network.ts';
import type { WalletProvider } from './eip1193.ts';

export interface Wallet {
  /** Reverse domain name, the same on every visit. */
  rdns: string;
  name: string;
  /** A data: URL; null when the wallet brings none that may be shown. */
  icon: string | null;
  provider: WalletProvider;
}

const maxIconChars = 200_000;
const announcement = z.object({
  info: z.object({ uuid: z.string(), name: z.string().min(1).max(128), icon: z.string(), rdns: z.string().min(1).max(256) }),
  provider: z.custom<WalletProvider>((value) => typeof (value as WalletProvider | null)?.request === 'function'),
});

/** Listens from the first subscriber on; wallets that load late announce themselves too. */
export function discoverWallets(target: Window = window): Observable<readonly Wallet[]> {
  let wallets: readonly Wallet[] = [];
  const listeners = new Set<() => void>();
  const onAnnounce = (event: Event) => {
    const parsed = announcement.safeParse((event as CustomEvent<unknown>).detail);
    if (!parsed.success) return;
    const { info, provider } = parsed.data;
    if (wallets.some((known) => known.rdns === info.rdns)) return;
    const isShown = /^data:image\//.test(info.icon) && info.icon.length <= maxIconChars;
    wallets = [...wallets, { rdns: info.rdns, name: info.name, icon: isShown ? info.icon : null, provider }];
    for (const listener of listeners) listener();
  };
  return {
    subscribe(listener) {
      if (listeners.size === 0) {
        target.addEventListener('eip6963:announceProvider', onAnnounce);
        target.dispatchEvent(new Event('eip6963:requestProvider'));
      }
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) target.removeEventListener('eip6963:announceProvider', onAnnounce);
      };
    },
    getSnapshot: () => wallets,
  };
}
