/** What this device has earned, where that is, and where it goes. */
import '../../styles/earnings.css';
import { useState } from 'react';
import type { Address } from '../../../shared/receipts/hex.ts';
import { openDeviceKey } from '../../net/device-key-store.ts';
import { Amount } from '../money/amount.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { shortAddress } from '../money/short-address.ts';
import { byDevice, giveOrder } from '../passkey/account-orders.ts';
import { AddPasskey } from './add-passkey.tsx';
import { LostDevice } from './lost-device.tsx';
import { PayoutForm } from './payout-form.tsx';
import { useEarnings } from './use-earnings.ts';

export default function EarningsPanel(props: { money: NetworkMoney }) {
  const { money } = props;
  const [view, refresh] = useEarnings(money.terms);
  const [isNaming, setNaming] = useState(false);
  if (view === null) return null;
  const { account, earnings, epoch, hasPasskey } = view;
  const { payout } = earnings;
  const name = async (payout: Address) => {
    await giveOrder(money.terms, account, { payout }, byDevice(await openDeviceKey()));
    await refresh();
  };
  return (
    <section className="earnings" aria-labelledby="earnings-title">
      <h3 id="earnings-title">Earnings of this device</h3>
      <dl className="figures">
        <Figure label="Not yet settled" wei={earnings.earned} />
        <Figure label="Settling" wei={earnings.pending} />
        <Figure label="Ready to be paid" wei={earnings.claimable} />
        <Figure label="Paid" wei={earnings.paid} />
      </dl>
      {payout === null ? (
        <p className="fine-print">
          <strong>Name a payout address to be paid.</strong> What you earn meanwhile waits for it.
          {!hasPasskey && ' Until then this browser’s key is the only way to it: clearing this site’s data loses it.'}
        </p>
      ) : (
        <p className="fine-print">
          Paid to <strong title={payout}>{shortAddress(payout)}</strong>. The relay sends what is ready by itself, once it is
          worth its gas.
        </p>
      )}
      {isNaming ? (
        <PayoutForm
          money={money}
          whose="this device"
          doing="This device signs, and the relay brings it to the chain…"
          name={name}
          onDone={() => setNaming(false)}
        />
      ) : (
        <button type="button" className="button-small" onClick={() => setNaming(true)}>
          {payout === null ? 'Name a payout address' : 'Change the payout address'}
        </button>
      )}
      <AddPasskey money={money} account={account} hasPasskey={hasPasskey} onChange={refresh} />
      <p className="fine-print">
        Account of this device: <span title={account}>{shortAddress(account)}</span>.
        {epoch !== null && (
          <>
            {' '}
            <a href={`/v1/payroll/epochs/${epoch}`} download={`payroll-${epoch}.json`}>
              Payroll file {epoch}
            </a>{' '}
            is all it takes to claim without this relay.
          </>
        )}
      </p>
      <LostDevice money={money} />
    </section>
  );
}

function Figure(props: { label: string; wei: bigint }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>
        <Amount wei={props.wei} />
      </dd>
    </div>
  );
}
