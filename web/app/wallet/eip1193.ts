/** A browser wallet as EIP-1193 describes it. */

export interface WalletProvider {
  request(call: { method: string; params?: unknown }): Promise<unknown>;
  on?(event: 'accountsChanged', listener: (accounts: string[]) => void): unknown;
  removeListener?(event: 'accountsChanged', listener: (accounts: string[]) => void): unknown;
}

/** The code of a wallet's error; null for every other error. Some wallets put the real one a level deeper. */
export function walletErrorCode(thrown: unknown): number | null {
  if (typeof thrown !== 'object' || thrown === null) return null;
  const { code, data } = thrown as { code?: unknown; data?: { originalError?: { code?: unknown } } };
  const inner = data?.originalError?.code;
  if (typeof inner === 'number') return inner;
  return typeof code === 'number' ? code : null;
}
