/** What the payer has, and putting more in or taking it out. */
import { type FormEvent, useState } from 'react';
import { formatAic } from '../../../shared/receipts/format-aic.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { ActionNote } from '../money/action-note.tsx';
import { Amount } from '../money/amount.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { parseAic } from '../money/parse-aic.ts';
import { showAic } from '../money/show-aic.ts';
import { useAction } from '../money/use-action.ts';
import type { ConnectedWallet } from '../wallet/connected-wallet.ts';
import { askFaucet } from './keys-api.ts';
import { depositCall, type WalletFunds, withdrawCall } from './page-chain.ts';
import { useTransaction } from './use-transaction.ts';

export function BalancePanel(props: {
  money: NetworkMoney;
  address: Address;
  /** Wei in the ledger contract that no key has. */
  free: bigint;
  funds: WalletFunds;
  wallet: ConnectedWallet | null;
  onChange: () => Promise<void>;
}) {
  const { money, address, free, funds, wallet, onChange } = props;
  const [text, setText] = useState('');
  const { action, send } = useTransaction('deposit', onChange);
  const faucet = useAction();
  const amount = parseAic(text);
  const wrong = text !== '' && amount === null ? 'Type an amount of AIC, for example 12.5.' : null;
  const isBusy = action.doing !== null;

  const deposit = async (event: FormEvent) => {
    event.preventDefault();
    if (wallet === null || amount === null) return;
    if (await send(wallet, depositCall(money.terms, amount), 'The deposit')) setText('');
  };
  const withdraw = async () => {
    if (wallet === null || amount === null) return;
    if (await send(wallet, withdrawCall(money.terms, amount, address), 'The withdrawal')) setText('');
  };
  return (
    <section className="panel keys-panel" aria-labelledby="balance-title">
      <h2 id="balance-title">Balance</h2>
      <dl className="figures">
        <div data-main="true">
          <dt>Free to give to keys</dt>
          <dd>
            <Amount wei={free} />
          </dd>
        </div>
        <div>
          <dt>In your wallet</dt>
          <dd>
            <Amount wei={funds.aic} />
          </dd>
        </div>
      </dl>
      {money.local && (
        <div className="row row-start">
          <button
            type="button"
            className="button-small"
            disabled={faucet.doing !== null}
            onClick={() =>
              void faucet.run('Filling your wallet…', async () => {
                await askFaucet(address);
                await onChange();
              })
            }
          >
            Get test AIC
          </button>
          <p className="fine-print">Play money of this local chain, and coins for gas.</p>
        </div>
      )}
      <ActionNote action={faucet} />
      <form className="money-form" onSubmit={(event) => void deposit(event)}>
        <div className="field-text">
          <label htmlFor="deposit">Amount to move, in AIC</label>
          <input
            id="deposit"
            inputMode="decimal"
            autoComplete="off"
            value={text}
            aria-describedby="deposit-note"
            aria-invalid={wrong !== null}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
        <button
          type="submit"
          className="button"
          disabled={wallet === null || amount === null || amount > funds.aic || funds.coins === 0n || isBusy}
        >
          Deposit
        </button>
        <button
          type="button"
          className="button button-quiet"
          disabled={wallet === null || amount === null || amount > free || funds.coins === 0n || isBusy}
          onClick={() => void withdraw()}
        >
          Withdraw
        </button>
        <p id="deposit-note" className="fine-print">
          {wrong ?? whyNot({ wallet, amount, free, funds }) ?? (
            <>
              Deposited AIC stays yours, in the <span title={money.terms.ledger}>ledger contract</span>: only keys that you
              authorize can spend it.
            </>
          )}
        </p>
      </form>
      <ActionNote action={action} />
    </section>
  );
}

function whyNot(so: { wallet: ConnectedWallet | null; amount: bigint | null; free: bigint; funds: WalletFunds }): string | null {
  const { wallet, amount, free, funds } = so;
  if (wallet === null) return 'Connect your wallet to move AIC.';
  if (funds.coins === 0n) return 'Your wallet has no coins to pay for gas.';
  if (amount === null || amount <= free || amount <= funds.aic) return null;
  return `You have ${showAic(funds.aic)} to deposit and ${formatAic(free)} to withdraw.`;
}
