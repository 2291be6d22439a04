/** Credits of the relay's payroll: nothing is set aside for them one by one, so a hop gives no more credit than its limit. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { NetworkTerms, PaymentMessage } from '../../shared/protocol/payment-types.ts';
import { creditDigest } from '../../shared/receipts/digests.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { SignerCheck } from '../../shared/receipts/secp-signature.ts';
import type { PayrollCredit } from '../../shared/receipts/typed-data.ts';
import type { CachedCoverage } from './cached-coverage.ts';
import type { PaymentCheck } from './payment-check.ts';

export class CreditCheck implements PaymentCheck {
  readonly #terms: NetworkTerms;
  readonly #operator: Address;
  readonly #account: Address;
  readonly #coverage: CachedCoverage;
  /** Wei promised and in no root that counts. */
  readonly #limit: bigint;
  readonly #signers: SignerCheck[];

  constructor(fields: { operator: Address; terms: NetworkTerms; account: Address; coverage: CachedCoverage; limit: bigint }) {
    this.#operator = fields.operator;
    this.#terms = fields.terms;
    this.#account = fields.account;
    this.#coverage = fields.coverage;
    this.#limit = fields.limit;
    const { publisher, operator } = fields.terms;
    this.#signers = [...new Set([publisher, operator])].map((address) => new SignerCheck(address));
  }

  async requireLive(): Promise<void> {
    if (this.#operator === this.#terms.operator) return;
    throw new VesselError(
      'payment_required',
      'Credits are taken from the relay this provider is connected to, and from no other.',
    );
  }

  async usedBefore(): Promise<bigint> {
    return (await this.#coverage.payroll(this.#operator, this.#account)).cumulative;
  }

  amountOf(payment: PaymentMessage): bigint {
    const { operator, account, cumulative } = creditOf(payment);
    if (operator !== this.#operator) throw new VesselError('bad_message', 'The credit is of another operator.');
    if (account !== this.#account) throw new VesselError('bad_message', 'The credit does not name this provider.');
    return cumulative;
  }

  requireSigned(payment: PaymentMessage): void {
    const digest = creditDigest(this.#terms, creditOf(payment));
    if (this.#signers.some((signer) => signer.signed(digest, payment.signature))) return;
    throw new VesselError('bad_message', 'The credit is not signed by the operator or its publisher for this chain.');
  }

  async requireCovered(payment: PaymentMessage): Promise<void> {
    if ((await this.#fault(payment)) === null) return;
    this.#coverage.forget();
    const why = await this.#fault(payment);
    if (why !== null) throw new VesselError('payment_required', why);
  }

  async #fault(payment: PaymentMessage): Promise<string | null> {
    const { cumulative, epoch } = creditOf(payment);
    const root = await this.#coverage.payroll(this.#operator, this.#account);
    if (epoch > root.epoch + limits.maxCreditEpochs) return 'The credit is for an epoch too far ahead.';
    if (cumulative - root.cumulative > this.#limit) {
      return 'This provider has given the relay all the credit it gives. It goes on after the next payroll.';
    }
    return null;
  }
}

function creditOf(payment: PaymentMessage): PayrollCredit {
  if (payment.kind !== 'credit') throw new VesselError('bad_message', 'This session is paid for by credits.');
  return payment.credit;
}
