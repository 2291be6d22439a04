/** Something a press of a button does: one at a time, with words while it goes on and plain words when it fails. */
import { useCallback, useRef, useState } from 'react';
import { explainMoneyError } from './explain-money-error.ts';

export interface Action {
  /** What is going on, for people; null when nothing is. */
  doing: string | null;
  problem: string | null;
  /** `say` changes the words on the way. Resolves true when it worked. */
  run(words: string, work: (say: (words: string) => void) => Promise<void>): Promise<boolean>;
  clear(): void;
}

export function useAction(): Action {
  const [state, setState] = useState<{ doing: string | null; problem: string | null }>({ doing: null, problem: null });
  const isBusy = useRef(false);
  const run = useCallback(async (words: string, work: (say: (words: string) => void) => Promise<void>) => {
    if (isBusy.current) return false;
    isBusy.current = true;
    setState({ doing: words, problem: null });
    try {
      await work((doing) => setState({ doing, problem: null }));
      setState({ doing: null, problem: null });
      return true;
    } catch (thrown) {
      setState({ doing: null, problem: explainMoneyError(thrown) });
      return false;
    } finally {
      isBusy.current = false;
    }
  }, []);
  const clear = useCallback(() => setState((now) => ({ ...now, problem: null })), []);
  return { ...state, run, clear };
}
