/** Which screen the address asks for: everything that is not a screen of its own is a place on the main one. */
import { useEffect, useSyncExternalStore } from 'react';

export type Screen = 'main' | 'keys';

export function useScreen(): Screen {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  const screen = hash === '#keys' ? 'keys' : 'main';
  // The browser looked for the place before the screen it is on was shown.
  useEffect(() => {
    if (screen === 'keys') window.scrollTo(0, 0);
    else if (hash.length > 1) document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [screen, hash]);
  return screen;
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}
