import { useState } from 'react';
import { ActionNote } from '../money/action-note.tsx';
import { Amount } from '../money/amount.tsx';
import { useAction } from '../money/use-action.ts';
import type { KeyPorts } from './key-list.tsx';
import { type PaidKey, revokeKey } from './keys-api.ts';
import { LimitForm } from './limit-form.tsx';
import { finishKey } from './make-key.ts';

const statusWords: Record<PaidKey['status'], string> = { pending: 'Not authorized yet', active: 'Active', expired: 'Ended' };

export function KeyRow(props: KeyPorts & { paidKey: PaidKey }) {
  const { paidKey: key, terms, wallet, onChange, onRevoked } = props;
  const action = useAction();
  const [isAsked, setAsked] = useState(false);
  const ends = new Date(key.expiry * 1000).toLocaleDateString('en', { dateStyle: 'medium' });
  const allowed = key.spend_limit !== null && key.spend_limit < key.cap ? key.spend_limit : key.cap;

  const revoke = () =>
    void action.run('Revoking…', async () => {
      await revokeKey(key.id);
      onRevoked(key.id);
      await onChange();
    });
  const finish = () =>
    void action.run('Sign the authorization in your wallet…', async () => {
      if (wallet) await finishKey(wallet, terms, key);
      await onChange();
    });
  return (
    <li className="key-row" data-status={key.status}>
      <div className="row">
        <h3>{key.name}</h3>
        <span className="key-status">{statusWords[key.status]}</span>
      </div>
      <p>
        <Amount wei={key.spent} /> spent of <Amount wei={allowed} />
      </p>
      <progress className="progress" aria-label={`Spent by ${key.name}`} value={Number(key.spent)} max={Number(allowed) || 1} />
      <p className="fine-print">
        {key.status === 'expired' ? 'Ended' : 'Ends'} {ends} · {usedWords(key.last_used)}
        {allowed < key.cap && (
          <>
            {' '}
            · authorized for <Amount wei={key.cap} />
          </>
        )}
      </p>
      <div className="row row-start">
        {key.status === 'pending' && (
          <button type="button" className="button-small" disabled={wallet === null || action.doing !== null} onClick={finish}>
            Authorize<span className="visually-hidden"> {key.name}</span>
          </button>
        )}
        {key.status === 'active' && <LimitForm paidKey={key} onChange={onChange} />}
        {isAsked ? (
          <>
            <button type="button" className="button-small button-bad" disabled={action.doing !== null} onClick={revoke}>
              Revoke {key.name} for good
            </button>
            <button type="button" className="button-small" onClick={() => setAsked(false)}>
              Keep it
            </button>
          </>
        ) : (
          <button type="button" className="button-small" onClick={() => setAsked(true)}>
            Revoke<span className="visually-hidden"> {key.name}</span>
          </button>
        )}
      </div>
      <ActionNote action={action} />
    </li>
  );
}

function usedWords(lastUsed: number | null): string {
  if (lastUsed === null) return 'never used';
  return `last used ${new Date(lastUsed * 1000).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })}`;
}
