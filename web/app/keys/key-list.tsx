import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { KeyRow } from './key-row.tsx';
import type { PaidKey } from './keys-api.ts';

export interface KeyPorts {
  terms: NetworkTerms;
  wallet: ConnectedWallet | null;
  onChange: () => Promise<void>;
  onRevoked: (id: string) => void;
}

export function KeyListPanel(props: KeyPorts & { keys: PaidKey[] }) {
  const { keys, ...ports } = props;
  return (
    <section className="panel keys-panel" aria-labelledby="key-list-title">
      <h2 id="key-list-title">Your keys</h2>
      {keys.length === 0 ? (
        <p className="empty">None yet.</p>
      ) : (
        <ul className="key-list">
          {keys.map((key) => (
            <KeyRow key={key.id} paidKey={key} {...ports} />
          ))}
        </ul>
      )}
      {keys.length > 0 && <p className="fine-print">An answer counts as spent as soon as it is finished.</p>}
    </section>
  );
}
