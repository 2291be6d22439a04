/**
 * The provider's side of money: what it asks, which sessions it meters, and what it has earned. Without terms (a network without
 * a chain) or with an ask of zero it works for nothing, as if this were not there.
 */
import type { Clock } from '../../shared/protocol/clock.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { NetworkTerms, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { accountOf } from '../../shared/receipts/account.ts';
import type { DigestSigner } from '../../shared/receipts/device-signature.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Ask } from '../../shared/receipts/price.ts';
import { CachedCoverage } from './cached-coverage.ts';
import { CoverBook } from './cover-book.ts';
import type { CoverageReader, Earned, VoucherStore } from './metering-ports.ts';
import { type MeteredOpen, SessionMeter } from './session-meter.ts';

/** 100 AIC: some days of a tab's work, and less than losing it would hurt anyone. */
const defaultCreditLimit = 100n * 10n ** 18n;

export interface MeteringOptions {
  /** The device key: its account earns. */
  signer: DigestSigner;
  clock: Clock;
  /** Wall clock, in seconds: authorizations end by it. */
  unixSeconds: () => number;
  coverage: CoverageReader;
  store: VoucherStore;
  /** Wei per layer and position. Default: what the network's terms say. */
  ask?: Ask;
  /** Wei of relay credits that may be outside any payroll root. */
  creditLimit?: bigint;
}

/** An agreed price: begins a meter for the session that was opened on it. */
export type BeginMeter = (onReceipt: (receipt: ReceiptMessage) => void) => SessionMeter;

export class Metering {
  readonly account: Address;
  /** Hands in what was earned; the agent puts the relay here. */
  onEarned: (earned: Earned) => void = () => {};
  readonly #options: MeteringOptions;
  readonly #coverage: CachedCoverage;
  readonly #book: CoverBook;
  #terms: NetworkTerms | null = null;

  constructor(options: MeteringOptions) {
    const { signer, clock, unixSeconds, store, creditLimit = defaultCreditLimit } = options;
    this.#options = options;
    this.account = accountOf(signer.publicKey);
    this.#coverage = new CachedCoverage(options.coverage, clock);
    this.#book = new CoverBook({ account: this.account, coverage: this.#coverage, store, clock, unixSeconds, creditLimit });
  }

  /** The relay's terms count from now on; sessions under way keep theirs. `null`: everything is free. */
  set terms(terms: NetworkTerms | null) {
    this.#terms = terms;
  }

  get terms(): NetworkTerms | null {
    return this.#terms;
  }

  /** What this provider asks; null where nothing is paid. */
  get ask(): Ask | null {
    return this.#terms && (this.#options.ask ?? this.#terms.ask);
  }

  /** Null: the session is free. Rejects with `payment_required` when its asker offers too little or cannot pay. */
  async admit(open: OpenMessage | MeteredOpen): Promise<BeginMeter | null> {
    const terms = this.#terms;
    const own = this.ask;
    if (!terms || !own) return null;
    const { payment } = open;
    const isFree = own.prompt === 0n && own.output === 0n;
    if (!payment && isFree) return null;
    if (!payment || payment.ask.prompt < own.prompt || payment.ask.output < own.output) {
      const price = `${own.prompt} wei per prompt position and layer and ${own.output} per output position and layer`;
      throw new VesselError('payment_required', `This provider asks ${price}.`);
    }
    const { ask, source } = payment;
    if (ask.prompt === 0n && ask.output === 0n) return null;
    const cover = await this.#book.open(source, terms);
    const { account } = this;
    const { signer, clock } = this.#options;
    const onEarned = (earned: Earned) => this.onEarned(earned);
    return (onReceipt) => new SessionMeter({ open, ask, account, place: terms, cover, signer, onReceipt, onEarned, clock });
  }

  /** Vouchers that the chain has not seen yet, newest of each payer's key: to be handed in again when a relay is back. */
  async unclaimed(): Promise<Earned[]> {
    if (!this.#terms) return [];
    const earned: Earned[] = [];
    for (const [key, { source, payment, receipt, session }] of await this.#options.store.list(
      this.#book.keyPrefix(this.#terms),
    )) {
      if (source.kind !== 'voucher' || payment.kind !== 'voucher' || !receipt || session === null) continue;
      const state = await this.#coverage.authorization(source.payer, source.sessionKey, this.account);
      const mine = payment.voucher.payments.find(({ payee }) => payee === this.account);
      if (mine && state.claimed < mine.cumulative) earned.push({ session, payment, receipt });
      else if (state.closed) await this.#options.store.remove(key);
    }
    return earned;
  }
}
