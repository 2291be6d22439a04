import type { Action } from './use-action.ts';

export function ActionNote(props: { action: Action }) {
  const { doing, problem } = props.action;
  return (
    <>
      <p className="doing" role="status">
        {doing}
      </p>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}
