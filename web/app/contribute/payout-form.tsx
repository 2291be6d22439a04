/** Names where an account's earnings go: an address typed or pasted, or a wallet's in this browser. */
import { type FormEvent, useId, useState } from 'react';
import { account } from '../../../shared/protocol/ids.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { ActionNote } from '../money/action-note.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { useAction } from '../money/use-action.ts';
import { askForAccount } from '../wallet/connected-wallet.ts';
import type { Wallet } from '../wallet/discover-wallets.ts';
import { useWallet } from '../wallet/use-wallet.ts';
import { WalletList } from '../wallet/wallet-list.tsx';

const nobody = /^0x0{40}$/;

export interface PayoutFormProps {
  money: NetworkMoney;
  /** "this device" or "that device". */
  whose: string;
  /** What is going on while `name` runs. */
  doing: string;
  /** Signs, and resolves when the chain has it. */
  name: (payout: Address) => Promise<void>;
  onDone: () => void;
}

export function PayoutForm(props: PayoutFormProps) {
  const { money, whose, doing, name, onDone } = props;
  const { found } = useWallet(money);
  const [text, setText] = useState('');
  const action = useAction();
  const id = useId();
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
    if (payout !== null && (await action.run(doing, () => name(payout)))) onDone();
  };
  return (
    <form className="money-form payout-form" onSubmit={(event) => void submit(event)}>
      <div className="field-text">
        <label htmlFor={id}>Address to pay to</label>
        <input
          id={id}
          autoComplete="off"
          spellCheck={false}
          placeholder="0x…"
          value={text}
          aria-invalid={isWrong}
          aria-describedby={`${id}-note`}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      {found.length > 0 && text === '' && (
        <>
          <p className="fine-print">Or take the address of a wallet here:</p>
          <WalletList wallets={found} disabled={action.doing !== null} onChoose={take} />
        </>
      )}
      <p id={`${id}-note`} className="fine-print">
        {isWrong
          ? 'An address is 0x and 40 digits or letters a to f. Copy it from your wallet.'
          : `All earnings of ${whose}, past and coming, go to this address. The chain cannot check that it is yours and nobody can take back what was paid: compare it letter by letter. You can name another one later.`}
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
