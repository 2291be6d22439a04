/** What one request costs: money held for each of its answers before anything is computed, charged for what was used after. */
import { concat, keccak256 } from 'viem';
import type { AskPayer } from '../../../shared/receipts/ask-payer.ts';
import type { Hex } from '../../../shared/receipts/hex.ts';
import type { PayingParty, Payments, Reservation } from '../../payments/payments.ts';

/** What `usage` tells. */
export interface Charged {
  /** Wei, of all answers together. */
  price: bigint;
  /** Of its answer; of several, keccak256 over their receipts in order. */
  receipt: Hex;
}

export class Bill {
  readonly #reservations: Reservation[];
  readonly #onSettled: (charged: Charged) => Promise<void>;
  #settling: Promise<Charged> | null = null;
  /** Known once it is settled. */
  charged: Charged | null = null;

  constructor(reservations: Reservation[], onSettled: (charged: Charged) => Promise<void> = async () => undefined) {
    this.#reservations = reservations;
    this.#onSettled = onSettled;
  }

  /** Holds every bound, or none. */
  static async reserve(payments: Payments, party: PayingParty, model: string, bounds: bigint[]): Promise<Reservation[]> {
    const reservations: Reservation[] = [];
    try {
      // One after the other: together they could each see the same money.
      for (const bound of bounds) reservations.push(await payments.reserve(party, { model, bound }));
      return reservations;
    } catch (thrown) {
      for (const { settle } of reservations) await settle();
      throw thrown;
    }
  }

  /** Pays for the i-th answer. */
  payer(index: number): AskPayer {
    return this.#reservations[index]!.payer;
  }

  /** Charges what was used and frees the rest. Call it when every session has ended, however it ended; a second call changes nothing. */
  settle(): Promise<Charged> {
    this.#settling ??= this.#settle();
    return this.#settling;
  }

  async #settle(): Promise<Charged> {
    const paid = await Promise.all(this.#reservations.map((reservation) => reservation.settle()));
    const receipts = paid.map(({ receipt }) => receipt);
    this.charged = {
      price: paid.reduce((sum, { price }) => sum + price.total, 0n),
      receipt: receipts.length === 1 ? receipts[0]! : keccak256(concat(receipts)),
    };
    await this.#onSettled(this.charged);
    return this.charged;
  }
}
