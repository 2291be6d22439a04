/** What a wallet signs or sends so that an API key can spend, and to end that. */
import { encodeFunctionData, parseAbi } from 'viem';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { type Authorization, ledgerDomain, typedData } from '../../../shared/receipts/typed-data.ts';

const ledgerAbi = parseAbi([
  'function authorize(address sessionKey, uint96 cap, uint40 expiry)',
  'function revoke(address sessionKey)',
]);

/** A transaction for the wallet to send. */
export interface WalletCall {
  chain_id: number;
  to: Address;
  data: Hex;
}

/** EIP-712, as `eth_signTypedData_v4` takes it: amounts in decimal. */
export function authorizationTypedData(terms: NetworkTerms, { payer, sessionKey, cap, expiry }: Authorization) {
  return {
    domain: ledgerDomain(placeOf(terms)),
    types: {
      EIP712Domain: [
        { name: 'name', type: 'string' },
        { name: 'version', type: 'string' },
        { name: 'chainId', type: 'uint256' },
        { name: 'verifyingContract', type: 'address' },
      ],
      Authorization: typedData.Authorization,
    },
    primaryType: 'Authorization' as const,
    message: { payer, sessionKey, cap: cap.toString(), expiry },
  };
}

export function authorizeCall(terms: NetworkTerms, { sessionKey, cap, expiry }: Authorization): WalletCall {
  return call(terms, encodeFunctionData({ abi: ledgerAbi, functionName: 'authorize', args: [sessionKey, cap, expiry] }));
}

export function revokeCall(terms: NetworkTerms, sessionKey: Address): WalletCall {
  return call(terms, encodeFunctionData({ abi: ledgerAbi, functionName: 'revoke', args: [sessionKey] }));
}

function call(terms: NetworkTerms, data: Hex): WalletCall {
  return { chain_id: terms.chainId, to: terms.ledger as Address, data };
}

export function placeOf({ chainId, ledger, payroll, accounts }: NetworkTerms) {
  return { chainId, ledger: ledger as Address, payroll: payroll as Address, accounts: accounts as Address };
}
