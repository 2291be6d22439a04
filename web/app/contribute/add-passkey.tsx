/** A second key for the account of this device, which does not go with it: made by the browser, added by the device's own key. */
import type { Address } from '../../../shared/receipts/hex.ts';
import { openDeviceKey } from '../../net/device-key-store.ts';
import { ActionNote } from '../money/action-note.tsx';
import type { NetworkMoney } from '../money/network-money.ts';
import { useAction } from '../money/use-action.ts';
import { byDevice, giveOrder } from '../passkey/account-orders.ts';
import { rememberPasskey } from '../passkey/known-passkey.ts';
import { createPasskey, passkeyObstacle } from '../passkey/passkeys.ts';

export function AddPasskey(props: { money: NetworkMoney; account: Address; hasPasskey: boolean; onChange: () => Promise<void> }) {
  const { money, account, hasPasskey, onChange } = props;
  const action = useAction();
  const obstacle = passkeyObstacle();
  const add = () =>
    void action.run('Answer your browser: it makes the passkey…', async (say) => {
      const key = await createPasskey(account);
      // From here on an older one may be gone: it is the new one that has to be on chain.
      rememberPasskey(account, key);
      say('This device signs, and the relay brings it to the chain…');
      await giveOrder(money.terms, account, { key }, byDevice(await openDeviceKey()));
      await onChange();
    });
  if (hasPasskey && action.doing === null) {
    return (
      <p className="fine-print">
        <strong>Protected by a passkey.</strong> Should this browser lose its key, open this site wherever you have the passkey,
        and press “Use its passkey”.
      </p>
    );
  }
  return (
    <div className="passkey">
      <p className="fine-print">
        <strong>Add a passkey, so that losing this device loses nothing.</strong>{' '}
        {obstacle ??
          'Your password manager or phone keeps it. It can name a payout address for these earnings, and nothing else.'}
      </p>
      {obstacle === null && (
        <button type="button" className="button-small" disabled={action.doing !== null} onClick={add}>
          Add a passkey
        </button>
      )}
      <ActionNote action={action} />
    </div>
  );
}
