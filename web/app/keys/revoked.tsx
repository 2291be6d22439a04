/** Keys that this relay no longer takes, with the transaction that ends them on chain too. Kept over a reload. */
import { useState } from 'react';
import { z } from 'zod';
import { wei } from '../../../shared/protocol/payment-messages.ts';
import { ActionNote } from '../money/action-note.tsx';
import { keep, readKept } from '../money/kept.ts';
import { showAic } from '../money/show-aic.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { callSchema } from './keys-api.ts';
import { useTransaction } from './use-transaction.ts';

const revokedSchema = z.array(z.object({ id: z.string(), name: z.string(), left: wei, transaction: callSchema }));
type RevokedKey = z.output<typeof revokedSchema>[number];

export function rememberRevoked(key: z.input<typeof revokedSchema>[number]): void {
  keepAll([...readAll().filter(({ id }) => id !== key.id), ...revokedSchema.parse([key])]);
}

/** Reads what is remembered when it is mounted: give it a new `key` after each revocation. */
export function Revoked(props: { wallet: ConnectedWallet | null; onChange: () => Promise<void> }) {
  const { wallet, onChange } = props;
  const [keys, setKeys] = useState(readAll);
  const forget = (id: string) => {
    const rest = readAll().filter((key) => key.id !== id);
    keepAll(rest);
    setKeys(rest);
  };
  return keys.map((key) => (
    <RevokedNotice key={key.id} revoked={key} wallet={wallet} onChange={onChange} onDone={() => forget(key.id)} />
  ));
}

function RevokedNotice(props: {
  revoked: RevokedKey;
  wallet: ConnectedWallet | null;
  onChange: () => Promise<void>;
  onDone: () => void;
}) {
  const { revoked, wallet, onChange, onDone } = props;
  const { action, send } = useTransaction(`revoke.${revoked.id}`, async () => {
    onDone();
    await onChange();
  });
  return (
    <div className="notice" data-tone="info" role="note">
      <p className="notice-title">“{revoked.name}” is revoked here</p>
      <p>
        This relay takes it no more. On chain {showAic(revoked.left)} stay set aside for it until it expires; one transaction ends
        it there too, so that what was not spent comes back sooner.
      </p>
      <div className="row row-start">
        <button
          type="button"
          className="button-small"
          disabled={wallet === null || action.doing !== null}
          onClick={() => wallet && void send(wallet, revoked.transaction, 'The revocation')}
        >
          End it on chain
        </button>
        <button type="button" className="button-small" disabled={action.doing !== null} onClick={onDone}>
          Leave it
        </button>
      </div>
      <ActionNote action={action} />
    </div>
  );
}

function readAll(): RevokedKey[] {
  return readKept('revoked', revokedSchema) ?? [];
}

function keepAll(keys: RevokedKey[]): void {
  keep('revoked', keys.length === 0 ? null : keys.map((key) => ({ ...key, left: key.left.toString() })));
}
