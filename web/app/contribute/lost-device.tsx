/** Earnings of a device that is gone: its passkey finds the account and names where they go. */
import { useState } from 'react';
import { ActionNote } from '../money/action-note.tsx';
import { Amount } from '../money/amount.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { shortAddress } from '../money/short-address.ts';
import { useAction } from '../money/use-action.ts';
import { giveOrder } from '../passkey/account-orders.ts';
import { type FoundPasskey, findAccount } from '../passkey/find-account.ts';
import { passkeyObstacle } from '../passkey/passkeys.ts';
import { type Earnings, readEarnings } from './earnings-api.ts';
import { PayoutForm } from './payout-form.tsx';

interface Found {
  passkey: FoundPasskey;
  earnings: Earnings;
}

export function LostDevice(props: { money: NetworkMoney }) {
  const { money } = props;
  const action = useAction();
  const [found, setFound] = useState<Found | null>(null);
  const [isNaming, setNaming] = useState(false);
  if (passkeyObstacle() !== null) return null;

  const look = () =>
    void action.run('Choose the passkey in your browser…', async () => {
      const passkey = await findAccount(money.terms);
      const earnings = await readEarnings(passkey.account);
      setFound({ passkey, earnings });
      setNaming(earnings.payout === null);
    });
  if (found === null) {
    return (
      <div className="passkey">
        <p className="fine-print">Lost a device that earned here?</p>
        <button type="button" className="button-small" disabled={action.doing !== null} onClick={look}>
          Use its passkey
        </button>
        <ActionNote action={action} />
      </div>
    );
  }
  const { passkey, earnings } = found;
  const { account } = passkey;
  const name = async (payout: `0x${string}`) => {
    await giveOrder(money.terms, account, { payout }, passkey.sign);
    setFound({ passkey, earnings: await readEarnings(account) });
  };
  return (
    <section className="lost-device" aria-labelledby="lost-device-title">
      <h4 id="lost-device-title">
        Device <span title={account}>{shortAddress(account)}</span>
      </h4>
      <p className="fine-print">
        <Amount wei={earnings.claimable} /> ready to be paid, <Amount wei={earnings.earned + earnings.pending} /> not yet settled,{' '}
        <Amount wei={earnings.paid} /> paid.
        {earnings.payout !== null && (
          <>
            {' '}
            Paid to <strong title={earnings.payout}>{shortAddress(earnings.payout)}</strong>.
          </>
        )}
      </p>
      {isNaming ? (
        <PayoutForm
          money={money}
          whose="that device"
          doing="Answer your browser: the passkey signs, and the relay brings it to the chain…"
          name={name}
          onDone={() => setNaming(false)}
        />
      ) : (
        <div className="row row-start">
          <button type="button" className="button-small" onClick={() => setNaming(true)}>
            {earnings.payout === null ? 'Name its payout address' : 'Change its payout address'}
          </button>
          <button type="button" className="button-small" onClick={() => setFound(null)}>
            Close
          </button>
        </div>
      )}
    </section>
  );
}
