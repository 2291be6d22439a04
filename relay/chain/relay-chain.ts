/** What a relay with a chain is given at its start: `RelayOptions.chain`. Left out, everything is free. */
import type { PrivateKeyAccount } from 'viem/accounts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Chain } from './chain.ts';
import type { ChainSender } from './sender.ts';

export interface RelayChain {
  readonly chain: Chain;
  /** Where wallets and pages reach the same chain. */
  readonly rpcUrl: string;
  /** The relay's hot key: it signs payroll credits and pays for the transactions. */
  readonly key: PrivateKeyAccount;
  /** Whose payroll it is. The hot key's own address, unless the operator named the hot key as its publisher. */
  readonly operator: Address;
  /** The sender for the hot key. Make one, call `resume()` at the start and `close()` at the end. */
  openSender(ledger: Ledger): ChainSender;
  /** Gives coins and AIC away; only on the local chain. */
  readonly faucet: Faucet | null;
}

export interface Faucet {
  /** Sends a fixed sum of both; resolves when it is in a block. Amounts in wei. */
  give(to: Address): Promise<{ coins: bigint; aic: bigint }>;
}
