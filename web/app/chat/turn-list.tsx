import { useEffect, useRef } from 'react';
import { formatSeconds, plural } from '../format.ts';
import { Amount } from '../money/amount.tsx';
import type { AnswerState, Turn } from './conversation.ts';

export function TurnList(props: { turns: Turn[]; onRetry: () => void }) {
  const { length } = props.turns;
  const end = useFollowedEnd(length, props.turns.at(-1));

  return (
    <ol className="turns" aria-label="Conversation">
      {props.turns.map((turn, index) => (
        <li key={turn.id} className="turn">
          <p className="question">
            <span className="visually-hidden">You asked: </span>
            {turn.question}
          </p>
          <div className="answer" data-state={turn.status.state} aria-busy={turn.status.state === 'streaming'}>
            <span className="visually-hidden">Answer: </span>
            {turn.answer !== '' && <p className="answer-text">{turn.answer}</p>}
            <AnswerNote status={turn.status} isEmpty={turn.answer === ''} onRetry={index === length - 1 ? props.onRetry : null} />
          </div>
        </li>
      ))}
      <li ref={end} className="turns-end" aria-hidden="true" />
    </ol>
  );
}

/** Keeps the end of a growing answer in view until the reader scrolls by hand; the next question follows again. */
function useFollowedEnd(length: number, last: Turn | undefined) {
  const end = useRef<HTMLLIElement>(null);
  const isFollowing = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new question follows again
  useEffect(() => {
    isFollowing.current = true;
    const letGo = () => {
      isFollowing.current = false;
    };
    window.addEventListener('wheel', letGo, { passive: true, once: true });
    window.addEventListener('touchmove', letGo, { passive: true, once: true });
    return () => {
      window.removeEventListener('wheel', letGo);
      window.removeEventListener('touchmove', letGo);
    };
  }, [length]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the answer grew
  useEffect(() => {
    if (isFollowing.current) end.current?.scrollIntoView({ block: 'nearest' });
  }, [last]);
  return end;
}

function AnswerNote(props: { status: AnswerState; isEmpty: boolean; onRetry: (() => void) | null }) {
  const { status } = props;
  switch (status.state) {
    case 'waiting':
      return <p className="answer-note">Finding a route and reading your question…</p>;
    case 'streaming':
      return <p className="answer-note">First token after {formatSeconds(status.firstTokenMs)}</p>;
    case 'done': {
      const { firstTokenMs, tokens, tokensPerSecond, price } = status.figures;
      return (
        <p className="answer-note">
          {plural(tokens, 'token')} · {tokensPerSecond.toFixed(1)} tokens/s · first token after {formatSeconds(firstTokenMs)}
          {price !== null && (
            <>
              {' · '}
              <Amount wei={price} />
            </>
          )}
          {status.reason === 'length' && ' · cut at the length you allow'}
        </p>
      );
    }
    case 'stopped':
      return <p className="answer-note">{props.isEmpty ? 'Stopped before the first token' : 'Stopped'}</p>;
    case 'failed':
      return (
        <div className="failure" role="alert">
          <p className="notice-title">{status.explanation.title}</p>
          <p>{status.explanation.advice}</p>
          {status.explanation.link !== undefined && <a href={status.explanation.link.to}>{status.explanation.link.words}</a>}
          {props.onRetry !== null && (
            <button type="button" className="button-small" onClick={props.onRetry}>
              Try again
            </button>
          )}
        </div>
      );
    default:
      return status satisfies never;
  }
}
