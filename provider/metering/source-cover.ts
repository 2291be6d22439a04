/**
 * What one source of money has promised this hop, and what the hop's sessions have used of it: both over all sessions, because
 * promises are cumulative. A step is worked on only when it is covered.
 */
import type { Clock } from '../../shared/protocol/clock.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { PaymentMessage, PaymentSource, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import type { Earned, VoucherStore } from './metering-ports.ts';
import type { PaymentCheck } from './payment-check.ts';

export class SourceCover {
  readonly source: PaymentSource;
  readonly #key: string;
  readonly #check: PaymentCheck;
  readonly #store: VoucherStore;
  readonly #clock: Clock;
  /** Wei each open session has used or is about to use. */
  readonly #open = new Map<string, bigint>();
  readonly #waiting = new Set<() => void>();
  #promised = 0n;
  #used = 0n;
  #newest: PaymentMessage | null = null;
  #last: { session: string; receipt: ReceiptMessage } | null = null;
  #accepting: Promise<void> = Promise.resolve();

  constructor(fields: { key: string; source: PaymentSource; check: PaymentCheck; store: VoucherStore; clock: Clock }) {
    this.#key = fields.key;
    this.source = fields.source;
    this.#check = fields.check;
    this.#store = fields.store;
    this.#clock = fields.clock;
  }

  /** Reads what was kept. Before anything else, once. */
  async load(): Promise<void> {
    const kept = await this.#store.read(this.#key);
    if (!kept) {
      this.#used = await this.#check.usedBefore();
      return;
    }
    this.#used = kept.used;
    this.#newest = kept.payment;
    this.#promised = this.#check.amountOf(kept.payment);
    if (kept.session !== null && kept.receipt) this.#last = { session: kept.session, receipt: kept.receipt };
  }

  get isIdle(): boolean {
    return this.#open.size === 0;
  }

  get promised(): bigint {
    return this.#promised;
  }

  get used(): bigint {
    return this.#used;
  }

  requireLive(): Promise<void> {
    return this.#check.requireLive();
  }

  /** Takes a promise. Throws for one that is not good, and keeps the one before; they are looked at one after the other. */
  accept(payment: PaymentMessage): Promise<void> {
    const accepted = this.#accepting.then(() => this.#accept(payment));
    this.#accepting = accepted.catch(() => undefined);
    return accepted;
  }

  /**
   * Resolves once the session's whole price so far, `amount`, is promised on top of what other sessions use. Rejects with
   * `payment_required` after `payWaitMs`, with `cancelled` when the session ends meanwhile.
   */
  async cover(session: string, amount: bigint, signal: { readonly isOver: boolean }): Promise<void> {
    if (signal.isOver) throw new VesselError('cancelled');
    if (this.#take(session, amount)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: VesselError) => {
        cancel();
        this.#waiting.delete(look);
        if (error) reject(error);
        else resolve();
      };
      const look = () => {
        if (signal.isOver) settle(new VesselError('cancelled'));
        else if (this.#take(session, amount)) settle();
      };
      const cancel = this.#clock.after(limits.payWaitMs, () =>
        settle(new VesselError('payment_required', 'No money for the next batch came in time.')),
      );
      this.#waiting.add(look);
    });
  }

  /** Something changed for those who wait. */
  wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** A session is over and has used exactly `amount`. */
  async settle(session: string, amount: bigint, receipt: ReceiptMessage | null): Promise<void> {
    this.#open.delete(session);
    this.#used += amount;
    if (receipt) this.#last = { session, receipt };
    await this.#save();
  }

  /** The newest promise, which pays for what this receipt says; null before the first one. */
  earned(session: string, receipt: ReceiptMessage): Earned | null {
    return this.#newest && { session, payment: this.#newest, receipt };
  }

  #take(session: string, amount: bigint): boolean {
    let others = this.#used;
    for (const [id, used] of this.#open) if (id !== session) others += used;
    if (others + amount > this.#promised) return false;
    this.#open.set(session, amount);
    return true;
  }

  async #accept(payment: PaymentMessage): Promise<void> {
    const amount = this.#check.amountOf(payment);
    // A settlement: the asker signs for what was really used, and an honest hop forgets the promise that went beyond it.
    const needed = [...this.#open.values()].reduce((sum, used) => sum + used, this.#used);
    if (amount < this.#promised && amount < needed) {
      throw new VesselError('bad_message', 'A promise is cumulative and does not fall below what was used of it.');
    }
    if (amount === this.#promised && this.#newest) return;
    this.#check.requireSigned(payment);
    await this.#check.requireCovered(payment);
    this.#promised = amount;
    this.#newest = payment;
    this.wake();
    await this.#save();
  }

  async #save(): Promise<void> {
    if (!this.#newest) return;
    const { session = null, receipt = null } = this.#last ?? {};
    await this.#store.write(this.#key, { source: this.source, payment: this.#newest, used: this.#used, receipt, session });
  }
}
