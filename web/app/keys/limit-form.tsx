/** Lets a key spend less than it was authorized for: the relay's own limit, which costs no transaction. */
import { type FormEvent, useState } from 'react';
import { ActionNote } from '../money/action-note.tsx';
import { parseAic } from '../money/parse-aic.ts';
import { showAic } from '../money/show-aic.ts';
import { useAction } from '../money/use-action.ts';
import { type PaidKey, setSpendLimit } from './keys-api.ts';

export function LimitForm(props: { paidKey: PaidKey; onChange: () => Promise<void> }) {
  const { paidKey: key, onChange } = props;
  const [text, setText] = useState('');
  const action = useAction();
  const limit = parseAic(text);
  const isTooHigh = limit !== null && limit > key.cap;

  const set = (value: bigint | null) =>
    void action.run('Setting the limit…', async () => {
      await setSpendLimit(key.id, value);
      setText('');
      await onChange();
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (limit !== null && !isTooHigh) set(limit);
  };
  return (
    <details className="limit">
      <summary className="button-small">
        Limit<span className="visually-hidden"> {key.name}</span>
      </summary>
      <form className="money-form" onSubmit={submit}>
        <div className="field-text">
          <label htmlFor={`limit-${key.id}`}>Spend at most, in AIC</label>
          <input
            id={`limit-${key.id}`}
            inputMode="decimal"
            autoComplete="off"
            value={text}
            aria-invalid={isTooHigh || (text !== '' && limit === null)}
            aria-describedby={`limit-note-${key.id}`}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <button type="submit" className="button" disabled={limit === null || isTooHigh || action.doing !== null}>
          Set limit
        </button>
        {key.spend_limit !== null && (
          <button type="button" className="button button-quiet" disabled={action.doing !== null} onClick={() => set(null)}>
            No limit
          </button>
        )}
        <p id={`limit-note-${key.id}`} className="fine-print">
          {isTooHigh
            ? `It was authorized for ${showAic(key.cap)}: for more, make a new key.`
            : 'In all, over the key’s whole life. Counts at once, and costs nothing.'}
        </p>
      </form>
      <ActionNote action={action} />
    </details>
  );
}
