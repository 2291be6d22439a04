/** Web Crypto works on other threads. Counted here, so that a fake clock stands still meanwhile. */
let pending = 0;

export function pendingCrypto(): boolean {
  return pending > 0;
}

const { subtle } = crypto;
for (const name of ['sign', 'verify', 'importKey', 'exportKey', 'generateKey'] as const) {
  const original = (subtle[name] as (...args: unknown[]) => Promise<unknown>).bind(subtle);
  const counted = (...args: unknown[]): Promise<unknown> => {
    pending++;
    return original(...args).finally(() => pending--);
  };
  Object.defineProperty(subtle, name, { value: counted, configurable: true });
}
