/**
 * A key that is made for spending: the payer's wallet authorizes it once, with a cap and an end, and it signs the vouchers. Whoever
 * gets hold of it can spend what it was given and nothing else.
 */
import { toHex } from '../../shared/receipts/eip712.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { addressOf } from '../../shared/receipts/secp-signature.ts';
import { type Authorization, type ChainPlace, type Domain, ledgerDomain, typedData } from '../../shared/receipts/typed-data.ts';

/** EIP-712, as wallets take it. */
export interface AuthorizationToSign {
  domain: Domain;
  types: { Authorization: readonly { name: string; type: string }[] };
  primaryType: 'Authorization';
  message: Authorization;
}

export interface SessionKey {
  privateKey: Hex;
  address: Address;
}

export function newSessionKey(): SessionKey {
  for (;;) {
    const privateKey = toHex(crypto.getRandomValues(new Uint8Array(32)));
    try {
      return { privateKey, address: addressOf(privateKey) };
    } catch {
      // One in 2^128 numbers of 32 bytes is no key.
    }
  }
}

/** What the payer's wallet signs (`eth_signTypedData_v4`, or viem's `signTypedData`) for IComputeLedger.authorizeBySig. */
export function authorizationToSign(place: ChainPlace, authorization: Authorization): AuthorizationToSign {
  const { Authorization: fields } = typedData;
  return {
    domain: ledgerDomain(place),
    types: { Authorization: fields },
    primaryType: 'Authorization' as const,
    message: authorization,
  };
}
