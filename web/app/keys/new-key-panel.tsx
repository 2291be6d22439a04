/** A new key: how it is called, what it may spend at most, and until when. */
import { type FormEvent, useState } from 'react';
import { ActionNote } from '../money/action-note.tsx';
import { parseAic } from '../money/parse-aic.ts';
import { showAic } from '../money/show-aic.ts';
import { useAction } from '../money/use-action.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { makeKey } from './make-key.ts';
import type { Secret } from './use-secret.ts';

const daySeconds = 86_400;
const lifetimes = [
  { days: 1, label: '1 day' },
  { days: 7, label: '7 days' },
  { days: 30, label: '30 days' },
  { days: 90, label: '90 days' },
  { days: 365, label: '1 year' },
];

export function NewKeyPanel(props: {
  free: bigint;
  wallet: ConnectedWallet | null;
  onSecret: (secret: Secret | null) => void;
  onChange: () => Promise<void>;
}) {
  const { free, wallet, onSecret, onChange } = props;
  const [name, setName] = useState('');
  const [capText, setCap] = useState('');
  const [days, setDays] = useState(30);
  const action = useAction();
  const cap = parseAic(capText);
  const canMake = wallet !== null && cap !== null && cap <= free && name.trim() !== '' && action.doing === null;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (wallet === null || cap === null || !canMake) return;
    const expiry = Math.floor(Date.now() / 1000) + days * daySeconds;
    const isMade = await action.run('Making the key…', (say) =>
      makeKey(wallet, { name: name.trim(), cap, expiry }, { onSecret, say }),
    );
    if (isMade) {
      setName('');
      setCap('');
    }
    await onChange();
  };
  return (
    <section className="panel keys-panel" aria-labelledby="new-key-title">
      <h2 id="new-key-title">New key</h2>
      <form className="money-form" onSubmit={(event) => void submit(event)}>
        <div className="field-text field-wide">
          <label htmlFor="key-name">Name</label>
          <input
            id="key-name"
            maxLength={128}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </div>
        <div className="field-text">
          <label htmlFor="key-cap">May spend at most, in AIC</label>
          <input
            id="key-cap"
            inputMode="decimal"
            autoComplete="off"
            value={capText}
            aria-describedby="key-note"
            aria-invalid={capText !== '' && cap === null}
            onChange={(event) => setCap(event.target.value)}
          />
        </div>
        <div className="field-text">
          <label htmlFor="key-days">Valid for</label>
          <select id="key-days" value={days} onChange={(event) => setDays(Number(event.target.value))}>
            {lifetimes.map((lifetime) => (
              <option key={lifetime.days} value={lifetime.days}>
                {lifetime.label}
              </option>
            ))}
          </select>
        </div>
        <button type="submit" className="button" disabled={!canMake}>
          Make key
        </button>
        <p id="key-note" className="fine-print">
          {whyNot({ wallet, capText, cap, free }) ??
            'Your wallet signs it once; the relay pays the gas. What the key does not spend comes back after it ends.'}
        </p>
      </form>
      <ActionNote action={action} />
    </section>
  );
}

function whyNot(so: { wallet: ConnectedWallet | null; capText: string; cap: bigint | null; free: bigint }): string | null {
  const { wallet, capText, cap, free } = so;
  if (wallet === null) return 'Connect your wallet to make a key.';
  if (free === 0n) return 'Deposit AIC first: a key spends from your free balance.';
  if (capText !== '' && cap === null) return 'Type an amount of AIC, for example 12.5.';
  if (cap !== null && cap > free) return `You have ${showAic(free)} free. Deposit more, or give the key less.`;
  return null;
}
