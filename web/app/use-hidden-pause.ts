/** Phones suspend a hidden page without warning, so it says goodbye first; a computer's tab may work in the background. */
import { useEffect } from 'react';
import { isPhone } from './device.ts';
import { useNode } from './use-node.tsx';

export function useHiddenPause(): void {
  const node = useNode();
  useEffect(() => {
    if (!isPhone()) return;
    const follow = () => {
      if (document.visibilityState === 'hidden') node.pauseContribution('hidden');
      else node.resumeContribution();
    };
    document.addEventListener('visibilitychange', follow);
    return () => document.removeEventListener('visibilitychange', follow);
  }, [node]);
}
