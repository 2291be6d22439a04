/** What is still set aside on chain for keys that have ended, and the transactions that bring it back. */
import { ActionNote } from '../money/action-note.tsx';
import { showAic } from '../money/show-aic.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import type { EndedKey } from './keys-api.ts';
import { useTransaction } from './use-transaction.ts';

export function EndedKeys(props: { ended: EndedKey[]; wallet: ConnectedWallet | null; onChange: () => Promise<void> }) {
  const { ended, ...ports } = props;
  // A step of its own for each state: a transaction that was waited for belongs to one of them.
  return ended.map((key) => <EndedNotice key={`${key.id}.${stepOf(key)}`} ended={key} {...ports} />);
}

type Step = 'end' | 'wait' | 'release';

function stepOf({ releasable_at, transaction }: EndedKey): Step {
  if (releasable_at === null) return 'end';
  return transaction === null ? 'wait' : 'release';
}

function EndedNotice(props: { ended: EndedKey; wallet: ConnectedWallet | null; onChange: () => Promise<void> }) {
  const { ended, wallet, onChange } = props;
  const { name, left, releasable_at, transaction } = ended;
  const step = stepOf(ended);
  const { action, send } = useTransaction(`${step}.${ended.id}`, onChange);
  const isBusy = wallet === null || action.doing !== null;
  const words = { end: 'The revocation', release: 'The release' } as const;
  return (
    <div className="notice" data-tone="info" role="note">
      <p className="notice-title">{step === 'end' ? `“${name}” is revoked here` : `“${name}” has ended`}</p>
      <p>{explain(step, showAic(left), releasable_at)}</p>
      {step !== 'wait' && transaction !== null && (
        <div className="row row-start">
          <button
            type="button"
            className="button-small"
            disabled={isBusy}
            onClick={() => wallet && void send(wallet, transaction, words[step])}
          >
            {step === 'end' ? 'End it on chain' : `Release ${showAic(left)}`}
          </button>
        </div>
      )}
      <ActionNote action={action} />
    </div>
  );
}

function explain(step: Step, left: string, releasableAt: number | null): string {
  switch (step) {
    case 'end':
      return `This relay takes it no more. On chain ${left} stay set aside for it until it expires; one transaction ends it there too, so that they come back sooner.`;
    case 'wait':
      return `${left} that it did not spend can come back ${whenWords(releasableAt ?? 0)}: until then whoever it paid may still claim.`;
    case 'release':
      return `${left} that it did not spend are still set aside for it. One transaction makes them free again.`;
    default:
      return step satisfies never;
  }
}

function whenWords(seconds: number): string {
  return `from ${new Date(seconds * 1000).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })} on`;
}
