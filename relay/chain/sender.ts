/**
 * Sends what is planned, each exactly once, whatever breaks in between.
 *
 * planned   it is in the Ledger, nothing was sent
 * sent      nonce and hash are in the Ledger, written before the broadcast; a re-send keeps the nonce, so at most one of the hashes
 *           can ever be mined
 * confirmed one of the hashes succeeded and has the configured number of confirmations
 * failed    it reverted, when tried or on chain; `error` says with what
 */

import type { Address } from '../../shared/receipts/hex.ts';
import type { Intent } from '../ledger/ledger.ts';

export interface ChainSender {
  /** Whose transactions these are: the hot key's address. */
  readonly address: Address;

  /**
   * Writes an intent down and begins to send it; resolves when it is in the Ledger, chain or no chain. An id that is known is not
   * planned again. `body` comes from `callBody` (contract-calls.ts).
   */
  send(intent: Pick<Intent, 'id' | 'kind' | 'body'>): Promise<Intent>;

  /** Resolves when the intent is confirmed or failed. Rejects with the signal's reason, or `not_found` for an id never planned. */
  settled(id: string, signal?: AbortSignal): Promise<Intent>;

  /**
   * Takes up everything open in the Ledger and goes on in the background. Call it once at the start. Does not wait for the chain.
   */
  resume(): Promise<void>;

  /** One look at every open intent: what can go a step further does. The background does this by itself; tests do it by hand. */
  step(): Promise<void>;

  /** Ends the background work after the step that is under way. What is open stays in the Ledger. */
  close(): Promise<void>;
}
