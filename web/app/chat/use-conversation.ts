/** Asks the node and feeds its events into the conversation. One answer at a time; leaving the page frees the hops. */
import { useCallback, useEffect, useReducer, useRef } from 'react';
import { explainError } from '../explain-error.ts';
import { useNode } from '../use-node.tsx';
import { conversation, isOpen, messagesOf, type Turn } from './conversation.ts';

export interface AskSettings {
  model: string;
  temperature: number;
  maxTokens: number;
}

export function useConversation() {
  const node = useNode();
  const [turns, dispatch] = useReducer(conversation, []);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const run = useCallback(
    async (asked: Turn[], settings: AskSettings) => {
      const abort = new AbortController();
      running.current = abort;
      const askedAt = performance.now();
      try {
        for await (const event of node.ask({ ...settings, messages: messagesOf(asked), signal: abort.signal })) {
          if (abort.signal.aborted) break;
          const sinceAskedMs = performance.now() - askedAt;
          if (event.type === 'text') dispatch({ type: 'text', delta: event.delta, sinceAskedMs });
          if (event.type === 'done') {
            const { reason, tokensPerSecond, usage, price } = event;
            dispatch({ type: 'done', reason, tokens: usage.completionTokens, tokensPerSecond, price, sinceAskedMs });
          }
        }
      } catch (error) {
        if (!abort.signal.aborted) dispatch({ type: 'failed', explanation: explainError(error) });
      }
    },
    [node],
  );

  const stop = useCallback(() => {
    running.current?.abort();
    dispatch({ type: 'stopped' });
  }, []);

  return {
    turns,
    isAnswering: turns.some(isOpen),
    ask(question: string, settings: AskSettings) {
      const event = { type: 'ask', question } as const;
      dispatch(event);
      void run(conversation(turns, event), settings);
    },
    retry(settings: AskSettings) {
      dispatch({ type: 'retry' });
      void run(turns, settings);
    },
    stop,
    clear() {
      stop();
      dispatch({ type: 'clear' });
    },
  };
}
