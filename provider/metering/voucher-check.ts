/** Vouchers of a payer's session key: the chain says what is set aside for it, the voucher what it has promised altogether. */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { PaymentMessage, PaymentSource } from '../../shared/protocol/payment-types.ts';
import { voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { SignerCheck } from '../../shared/receipts/secp-signature.ts';
import type { ChainPlace, Voucher } from '../../shared/receipts/typed-data.ts';
import type { CachedCoverage } from './cached-coverage.ts';
import type { AuthorizationState } from './metering-ports.ts';
import type { PaymentCheck } from './payment-check.ts';

export class VoucherCheck implements PaymentCheck {
  readonly #source: Extract<PaymentSource, { kind: 'voucher' }>;
  readonly #place: ChainPlace;
  readonly #account: Address;
  readonly #coverage: CachedCoverage;
  readonly #unixSeconds: () => number;
  readonly #signer: SignerCheck;

  constructor(fields: {
    source: Extract<PaymentSource, { kind: 'voucher' }>;
    place: ChainPlace;
    account: Address;
    coverage: CachedCoverage;
    unixSeconds: () => number;
  }) {
    this.#source = fields.source;
    this.#place = fields.place;
    this.#account = fields.account;
    this.#coverage = fields.coverage;
    this.#unixSeconds = fields.unixSeconds;
    this.#signer = new SignerCheck(fields.source.sessionKey);
  }

  async requireLive(): Promise<void> {
    await this.#requireOfChain((state) => this.#deadline(state) ?? (state.cap > state.spent ? null : 'Nothing is left for it.'));
  }

  async usedBefore(): Promise<bigint> {
    return (await this.#state()).claimed;
  }

  amountOf(payment: PaymentMessage): bigint {
    const { payments, payer, total } = voucherOf(payment);
    if (payer !== this.#source.payer) throw new VesselError('bad_message', 'The voucher is of another payer.');
    if (new Set(payments.map(({ payee }) => payee)).size < payments.length) {
      throw new VesselError('bad_message', 'The voucher names a payee twice.');
    }
    const mine = payments.find(({ payee }) => payee === this.#account);
    if (!mine) throw new VesselError('bad_message', 'The voucher does not name this provider.');
    if (payments.reduce((sum, { cumulative }) => sum + cumulative, 0n) > total) {
      throw new VesselError('bad_message', 'The voucher promises more than its total.');
    }
    return mine.cumulative;
  }

  requireSigned(payment: PaymentMessage): void {
    if (this.#signer.signed(voucherDigest(this.#place, voucherOf(payment)), payment.signature)) return;
    throw new VesselError('bad_message', 'The voucher is not signed by its session key for this chain.');
  }

  async requireCovered(payment: PaymentMessage): Promise<void> {
    const { total } = voucherOf(payment);
    const promised = this.amountOf(payment);
    await this.#requireOfChain((state) => {
      if (total > state.cap) return 'Its key has promised more than was set aside for it.';
      if (promised - state.claimed > state.cap - state.spent) return 'Others have drawn what was set aside for its key.';
      return this.#deadline(state);
    });
  }

  #deadline({ closed, expiry }: AuthorizationState): string | null {
    return closed || expiry <= this.#unixSeconds() ? 'Its key is not authorized, or not any more.' : null;
  }

  /** What the chain said a moment ago may have changed for the better: an authorization may be one block old. */
  async #requireOfChain(fault: (state: AuthorizationState) => string | null): Promise<void> {
    if (fault(await this.#state()) === null) return;
    this.#coverage.forget();
    const why = fault(await this.#state());
    if (why !== null) throw new VesselError('payment_required', `The voucher is not covered. ${why}`);
  }

  #state(): Promise<AuthorizationState> {
    return this.#coverage.authorization(this.#source.payer, this.#source.sessionKey, this.#account);
  }
}

function voucherOf(payment: PaymentMessage): Voucher {
  if (payment.kind !== 'voucher') throw new VesselError('bad_message', 'This session is paid for by vouchers.');
  return payment.voucher;
}
