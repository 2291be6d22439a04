/** Resolves when `isTrue` says so, looked at ten times a second; rejects when the signal aborts or the time is over. */
export async function waitUntil(
  isTrue: () => boolean,
  options: { signal: AbortSignal; timeoutMs: number; onTimeout: () => Error },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  while (!isTrue()) {
    options.signal.throwIfAborted();
    if (performance.now() > deadline) throw options.onTimeout();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Resolves when the signal aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
