/** The question box. Enter sends, Shift+Enter makes a new line, Escape stops the answer. */
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { isPhone } from '../device.ts';

export function Composer(props: {
  isAnswering: boolean;
  blockedBy: string | null;
  onAsk: (question: string) => void;
  onStop: () => void;
}) {
  const { isAnswering, blockedBy, onAsk, onStop } = props;
  const [text, setText] = useState('');
  const box = useRef<HTMLTextAreaElement>(null);
  const canSend = !isAnswering && blockedBy === null && text.trim() !== '';

  // Grows with its text; the style sheet says up to where.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useEffect(() => {
    const area = box.current;
    if (area === null) return;
    area.style.height = 'auto';
    area.style.height = `${area.scrollHeight}px`;
  }, [text]);

  const send = () => {
    if (!canSend) return;
    onAsk(text.trim());
    setText('');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && isAnswering) onStop();
    // On a phone Enter is the only way to a new line; while an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || isPhone()) return;
    event.preventDefault();
    send();
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label className="visually-hidden" htmlFor="question">
        Your question
      </label>
      <textarea
        id="question"
        ref={box}
        rows={1}
        value={text}
        placeholder="Ask something"
        aria-describedby="question-note"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {isAnswering ? (
        <button type="button" className="button button-stop" onClick={onStop}>
          Stop
          <span className="visually-hidden"> the answer</span>
        </button>
      ) : (
        <button type="submit" className="button" disabled={!canSend}>
          Ask
        </button>
      )}
      <p id="question-note" className="fine-print">
        {blockedBy ?? 'The providers that compute your question can read it. Do not send secrets.'}
      </p>
    </form>
  );
}
