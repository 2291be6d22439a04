/**
 * One x402 payment from signature to answer. The journal says how far it came, so that a payment is settled once and answered once,
 * over restarts too:
 *
 *     (nothing), failed → settling → settled:<transaction> → used:<transaction>
 *
 * Only a request that computed nothing puts it back to `settled`: then the money lies in the payer's escrow, and the same
 * header may be sent again.
 */
import { toVesselError } from '../../../shared/protocol/errors.ts';
import type { Hex } from '../../../shared/receipts/hex.ts';
import type { SignedTransfer, X402 } from '../money.ts';
import { RequestError } from '../request-error.ts';

export interface SettledPayment {
  transaction: Hex;
  /** The answer has ended; `isUsed` false: nothing was computed for it. */
  end(isUsed: boolean): Promise<void>;
}

export class X402Payments {
  readonly #x402: X402;
  /** In work in this process: the journal alone cannot tell a running request from one that a crash ended. */
  readonly #active = new Set<string>();

  constructor(x402: X402) {
    this.#x402 = x402;
  }

  /**
   * Settles the payment, unless it was before, and takes it for one answer.
   * @throws RequestError `payment_required` when it was used, is in work, or the chain refuses it; VesselError `chain_unavailable`
   */
  async take(transfer: SignedTransfer): Promise<SettledPayment> {
    const key = `x402:${transfer.from}:${transfer.nonce}`;
    if (this.#active.has(key)) throw new RequestError('payment_required', 'This payment is being used by another request.');
    this.#active.add(key);
    try {
      const transaction = await this.#settle(key, transfer);
      await this.#move(key, `settled:${transaction}`, `used:${transaction}`);
      return {
        transaction,
        end: async (isUsed) => {
          try {
            if (!isUsed) await this.#move(key, `used:${transaction}`, `settled:${transaction}`);
          } finally {
            this.#active.delete(key);
          }
        },
      };
    } catch (thrown) {
      this.#active.delete(key);
      throw thrown;
    }
  }

  async #settle(key: string, transfer: SignedTransfer): Promise<Hex> {
    const { journal, settle } = this.#x402;
    const known = await journal.read(key);
    if (known?.startsWith('used:')) throw new RequestError('payment_required', 'This payment has been used: sign a new one.');
    if (known?.startsWith('settled:')) return known.slice('settled:'.length) as Hex;
    if (known !== 'settling') await this.#move(key, known, 'settling');
    let transaction: Hex;
    try {
      ({ transaction } = await settle.call(this.#x402, key, transfer));
    } catch (thrown) {
      // Anything but a refusal leaves it open whether the chain has taken the transfer: `settling` is taken up again.
      if (toVesselError(thrown).code === 'payment_required') await this.#move(key, 'settling', 'failed');
      throw thrown;
    }
    await this.#move(key, 'settling', `settled:${transaction}`);
    return transaction;
  }

  async #move(key: string, from: string | null, to: string): Promise<void> {
    if (await this.#x402.journal.write(key, to, from)) return;
    throw new RequestError('payment_required', 'This payment is being used by another request.');
  }
}
