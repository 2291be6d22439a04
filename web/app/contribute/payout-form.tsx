/** Names where a device's earnings go: an address typed or pasted, or a wallet's in this browser. */
import { type FormEvent, useState } from 'react';
import { account } from '../../../shared/protocol/ids.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { openDeviceKey } from '../../net/device-key-store.ts';
import { ActionNote } from '../money/action-note.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { useAction } from '../money/use-action.ts';
import { askForAccount } from '../wallet/connected-wallet.ts';
import type { Wallet } from '../wallet/discover-wallets.ts';
import { useWallet } from '../wallet/use-wallet.ts';
import { WalletList } from '../wallet/wallet-list.tsx';
import { namePayout } from './name-payout.ts';

const nobody = /^0x0{40}$/;

export function PayoutForm(props: { money: NetworkMoney; nonce: bigint; onChange: () => Promise<void>; onDone: () => void }) {
  const { money, nonce, onChange, onDone } = props;
  const { found } = useWallet(money);
  const [text, setText] = useState('');
  const action = useAction();
  const parsed = account.safeParse(text.trim().toLowerCase());
  const payout = parsed.success && !nobody.test(parsed.data) ? (parsed.data as Address) : null;
  const isWrong = text.trim() !== '' && payout === null;

  const take = (wallet: Wallet) =>
    void action.run('Open your wallet and answer it…', async () => {
      const address = await askForAccount(wallet);
      if (address !== null) setText(address);
    });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (payout === null) return;
    const isNamed = await action.run('This device signs, and the relay brings it to the chain…', async () => {
      await namePayout(await openDeviceKey(), money.terms, { payout, nonce, nowMs: Date.now() });
      await onChange();
    });
    if (isNamed) onDone();
  };
  return (
    <form className="money-form payout-form" onSubmit={(event) => void submit(event)}>
      <div className="field-text">
        <label htmlFor="payout">Address to pay to</label>
        <input
          id="payout"
          autoComplete="off"
          spellCheck={false}
          placeholder="0x…"
          value={text}
          aria-invalid={isWrong}
          aria-describedby="payout-note"
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      {found.length > 0 && text === '' && (
        <>
          <p className="fine-print">Or take the address of a wallet here:</p>
          <WalletList wallets={found} disabled={action.doing !== null} onChoose={take} />
        </>
      )}
      <p id="payout-note" className="fine-print">
        {isWrong
          ? 'An address is 0x and 40 digits or letters a to f. Copy it from your wallet.'
          : 'All earnings of this device, past and coming, go to this address. The chain cannot check that it is yours and nobody can take back what was paid: compare it letter by letter. You can name another one later, from this browser.'}
      </p>
      <div className="row row-start">
        <button type="submit" className="button" disabled={payout === null || action.doing !== null}>
          Pay to this address
        </button>
        <button type="button" className="button-small" disabled={action.doing !== null} onClick={onDone}>
          Cancel
        </button>
      </div>
      <ActionNote action={action} />
    </form>
  );
}
