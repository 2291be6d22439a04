/** Which passkey this browser made for its account. The chain says whether it counts; this only says which to ask for. */
import { z } from 'zod';
import { account as accountText } from '../../../shared/protocol/ids.ts';
import type { Address } from '../../../shared/receipts/hex.ts';

const name = 'vessel.passkey';
const schema = z.object({ account: accountText, key: accountText });

/** The account of the passkey's key; null for none. */
export function knownPasskey(account: Address): Address | null {
  try {
    const known = schema.safeParse(JSON.parse(localStorage.getItem(name) ?? 'null'));
    return known.success && known.data.account === account ? (known.data.key as Address) : null;
  } catch {
    return null;
  }
}

export function rememberPasskey(account: Address, key: Address): void {
  try {
    localStorage.setItem(name, JSON.stringify({ account, key }));
  } catch {
    // Without storage the page offers to add one again, which does no harm.
  }
}
