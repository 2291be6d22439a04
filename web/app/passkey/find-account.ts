/** From a passkey to the account it speaks for, and its signatures for that account. */
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import { accountOf } from '../../../shared/receipts/account.ts';
import { fromHex } from '../../../shared/receipts/eip712.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { shortAddress } from '../money/short-address.ts';
import type { OrderSigner } from './account-orders.ts';
import { isKeyOf } from './is-key-of.ts';
import type { KeyPoint } from './passkey-signature.ts';
import { askPasskey } from './passkeys.ts';

export interface FoundPasskey {
  /** That the passkey may speak for. */
  account: Address;
  sign: OrderSigner;
}

/** The person signs once, over nothing, to show which passkey it is. */
export async function findAccount(terms: NetworkTerms): Promise<FoundPasskey> {
  const { signersOf } = await import('./passkey-signature.ts');
  const { account, assertion, credentialId } = await askPasskey(crypto.getRandomValues(new Uint8Array(32)));
  if (account === null)
    throw new VesselError('bad_request', 'This passkey was not made to protect earnings. Choose another one.');
  for (const point of signersOf(assertion)) {
    if (await isKeyOf(terms, account, keyOf(point))) return { account, sign: signerOf(point, credentialId) };
  }
  throw new VesselError(
    'forbidden',
    `The chain does not know this passkey as a key of ${shortAddress(account)}. Perhaps it was replaced by a newer one: choose that.`,
  );
}

function signerOf(point: KeyPoint, credentialId: Uint8Array<ArrayBuffer>): OrderSigner {
  return async (digest) => {
    const { readProof } = await import('./passkey-signature.ts');
    const { assertion } = await askPasskey(fromHex(digest, 32), credentialId);
    return { by: 'passkey', signature: { ...point, auth: readProof(assertion) } };
  };
}

function keyOf({ x, y }: KeyPoint): Address {
  return accountOf(fromHex(`0x${x.slice(2)}${y.slice(2)}`, 64));
}
