/** The covers of all sources, by source. Those without a session are forgotten when there are too many: the store has them. */
import type { Clock } from '../../shared/protocol/clock.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { NetworkTerms, PaymentSource } from '../../shared/protocol/payment-types.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { CachedCoverage } from './cached-coverage.ts';
import { CreditCheck } from './credit-check.ts';
import type { VoucherStore } from './metering-ports.ts';
import { SourceCover } from './source-cover.ts';
import { VoucherCheck } from './voucher-check.ts';

const capacity = 1000;

interface CoverBookFields {
  account: Address;
  coverage: CachedCoverage;
  store: VoucherStore;
  clock: Clock;
  unixSeconds: () => number;
  creditLimit: bigint;
}

export class CoverBook {
  readonly #fields: CoverBookFields;
  readonly #covers = new Map<string, Promise<SourceCover>>();

  constructor(fields: CoverBookFields) {
    this.#fields = fields;
  }

  /** What keys of this account's covers on this chain begin with. */
  keyPrefix({ chainId, ledger }: NetworkTerms): string {
    return `${chainId} ${ledger} ${this.#fields.account} `;
  }

  /** The cover of a source, loaded. Rejects with `payment_required` when the source cannot pay. */
  async open(source: PaymentSource, terms: NetworkTerms): Promise<SourceCover> {
    const { account, coverage, store, clock, unixSeconds, creditLimit } = this.#fields;
    const from = source.kind === 'voucher' ? `${source.payer} ${source.sessionKey}` : `${source.operator} ${terms.publisher}`;
    const key = `${this.keyPrefix(terms)}${source.kind} ${from}`;
    if (!this.#covers.has(key)) await this.#makeRoom();
    let loading = this.#covers.get(key);
    if (!loading) {
      const check =
        source.kind === 'voucher'
          ? new VoucherCheck({ source, place: terms, account, coverage, unixSeconds })
          : new CreditCheck({ operator: source.operator, terms, account, coverage, limit: creditLimit });
      const cover = new SourceCover({ key, source, check, store, clock });
      loading = check
        .requireLive()
        .then(() => cover.load())
        .then(() => cover);
      this.#covers.set(key, loading);
      loading.catch(() => this.#covers.delete(key));
      return loading;
    }
    const cover = await loading;
    await cover.requireLive();
    return cover;
  }

  async #makeRoom(): Promise<void> {
    if (this.#covers.size < capacity) return;
    for (const [key, loading] of this.#covers) {
      const cover = await loading.catch(() => null);
      if (!cover?.isIdle) continue;
      this.#covers.delete(key);
      return;
    }
    throw new VesselError('provider_busy');
  }
}
