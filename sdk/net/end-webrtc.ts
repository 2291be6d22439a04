/**
 * Node only: the native WebRTC library keeps threads that keep the process alive. When the last peer node of a process has stopped,
 * they are ended; the library starts again by itself when it is needed. A browser has nothing of the kind.
 */
export async function endWebRtc(): Promise<void> {
  if (!('process' in globalThis)) return;
  // A name in a variable: bundlers for browsers must not look for the native module.
  const library = 'node-datachannel';
  const loaded = (await import(library).catch(() => null)) as { cleanup?: () => void } | null;
  loaded?.cleanup?.();
}
