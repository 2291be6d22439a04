/** A conversation as a list of turns, and how each event of an answer changes it. Pure, so that it can be tested as a table. */
import type { Explanation } from '../explain-error.ts';
import type { ChatMessage } from '../network.ts';

export interface AnswerFigures {
  firstTokenMs: number;
  tokens: number;
  tokensPerSecond: number;
  /** Wei; null for a free answer. */
  price: bigint | null;
}

export type AnswerState =
  | { state: 'waiting' }
  | { state: 'streaming'; firstTokenMs: number }
  | { state: 'done'; reason: 'stop' | 'length'; figures: AnswerFigures }
  /** By the person who asked. */
  | { state: 'stopped' }
  | { state: 'failed'; explanation: Explanation };

/** One question and its answer. */
export interface Turn {
  id: number;
  question: string;
  answer: string;
  status: AnswerState;
}

export type ConversationEvent =
  | { type: 'ask'; question: string }
  /** The last question again, in the place of its answer. */
  | { type: 'retry' }
  | { type: 'text'; delta: string; sinceAskedMs: number }
  | {
      type: 'done';
      reason: 'stop' | 'length';
      tokens: number;
      tokensPerSecond: number;
      price: bigint | null;
      sinceAskedMs: number;
    }
  | { type: 'stopped' }
  | { type: 'failed'; explanation: Explanation }
  | { type: 'clear' };

export function conversation(turns: Turn[], event: ConversationEvent): Turn[] {
  const last = turns.at(-1);
  switch (event.type) {
    case 'clear':
      return [];
    case 'ask':
      return [...turns, { id: (last?.id ?? 0) + 1, question: event.question, answer: '', status: { state: 'waiting' } }];
    case 'retry':
      return last === undefined ? turns : [...turns.slice(0, -1), { ...last, answer: '', status: { state: 'waiting' } }];
    default:
      return last === undefined || !isOpen(last) ? turns : [...turns.slice(0, -1), answered(last, event)];
  }
}

export function isOpen(turn: Turn): boolean {
  return turn.status.state === 'waiting' || turn.status.state === 'streaming';
}

function answered(turn: Turn, event: Exclude<ConversationEvent, { type: 'ask' | 'retry' | 'clear' }>): Turn {
  const firstTokenMs = turn.status.state === 'streaming' ? turn.status.firstTokenMs : null;
  switch (event.type) {
    case 'text':
      return {
        ...turn,
        answer: turn.answer + event.delta,
        status: { state: 'streaming', firstTokenMs: firstTokenMs ?? event.sinceAskedMs },
      };
    case 'done': {
      const { reason, tokens, tokensPerSecond, price } = event;
      return {
        ...turn,
        status: {
          state: 'done',
          reason,
          figures: { firstTokenMs: firstTokenMs ?? event.sinceAskedMs, tokens, tokensPerSecond, price },
        },
      };
    }
    case 'stopped':
      return { ...turn, status: { state: 'stopped' } };
    case 'failed':
      return { ...turn, status: { state: 'failed', explanation: event.explanation } };
    default:
      return event satisfies never;
  }
}

/** What the model is asked: every turn with an answer, then the last question. Failed answers are left out. */
export function messagesOf(turns: Turn[]): ChatMessage[] {
  return turns.flatMap((turn, index): ChatMessage[] => {
    const question: ChatMessage = { role: 'user', content: turn.question };
    if (index === turns.length - 1) return [question];
    return turn.answer === '' ? [] : [question, { role: 'assistant', content: turn.answer }];
  });
}
