/** Reads the chain at most once per question and `coverageCacheMs`: a voucher comes with every batch, a block does not. */
import type { Clock } from '../../shared/protocol/clock.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { AuthorizationState, CoverageReader, PayrollState } from './metering-ports.ts';

const capacity = 1000;

export class CachedCoverage implements CoverageReader {
  readonly #reader: CoverageReader;
  readonly #clock: Clock;
  readonly #known = new Map<string, { atMs: number; answer: Promise<unknown> }>();

  constructor(reader: CoverageReader, clock: Clock) {
    this.#reader = reader;
    this.#clock = clock;
  }

  authorization(payer: Address, sessionKey: Address, payee: Address): Promise<AuthorizationState> {
    return this.#ask(`a ${payer} ${sessionKey} ${payee}`, () => this.#reader.authorization(payer, sessionKey, payee));
  }

  payroll(operator: Address, account: Address): Promise<PayrollState> {
    return this.#ask(`p ${operator} ${account}`, () => this.#reader.payroll(operator, account));
  }

  /** The next question goes to the chain: what is known was not enough. */
  forget(): void {
    this.#known.clear();
  }

  #ask<Answer>(key: string, read: () => Promise<Answer>): Promise<Answer> {
    const now = this.#clock.now();
    const known = this.#known.get(key);
    if (known && now - known.atMs < limits.coverageCacheMs) return known.answer as Promise<Answer>;
    const answer = read();
    if (this.#known.size >= capacity) this.#known.clear();
    this.#known.set(key, { atMs: now, answer });
    answer.catch(() => this.#known.delete(key));
    return answer;
  }
}
