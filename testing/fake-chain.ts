/** What hops and askers would read from a chain, in memory: authorizations, claims and payroll roots as a test sets them. */
import type { AuthorizationState, CoverageReader, PayrollState } from '../provider/metering/metering-ports.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { Address } from '../shared/receipts/hex.ts';

export function address(byte: number): Address {
  return `0x${byte.toString(16).padStart(2, '0').repeat(20)}`;
}

export function networkTerms(rest: Partial<NetworkTerms> = {}): NetworkTerms {
  return {
    chainId: 31337,
    aic: address(1),
    ledger: address(2),
    payroll: address(3),
    accounts: address(4),
    asset: address(5),
    registry: address(6),
    operator: address(7),
    publisher: address(7),
    ask: { prompt: 1000n, output: 3001n },
    ...rest,
  };
}

export class FakeChain implements CoverageReader {
  isDown = false;
  /** Questions that were answered. */
  reads = 0;
  readonly #authorizations = new Map<string, Omit<AuthorizationState, 'claimed'>>();
  readonly #claimed = new Map<string, bigint>();
  readonly #payroll = new Map<string, PayrollState>();

  authorize(payer: Address, sessionKey: Address, rest: Partial<AuthorizationState> = {}): void {
    const state = { cap: 10n ** 18n, spent: 0n, expiry: 4_000_000_000, closed: false };
    this.#authorizations.set(`${payer} ${sessionKey}`, { ...state, ...rest });
  }

  claimed(payer: Address, sessionKey: Address, payee: Address, amount: bigint): void {
    this.#claimed.set(`${payer} ${sessionKey} ${payee}`, amount);
  }

  root(operator: Address, account: Address, state: PayrollState): void {
    this.#payroll.set(`${operator} ${account}`, state);
  }

  async authorization(payer: Address, sessionKey: Address, payee: Address): Promise<AuthorizationState> {
    this.#answer();
    const state = this.#authorizations.get(`${payer} ${sessionKey}`) ?? { cap: 0n, spent: 0n, expiry: 0, closed: false };
    return { ...state, claimed: this.#claimed.get(`${payer} ${sessionKey} ${payee}`) ?? 0n };
  }

  async payroll(operator: Address, account: Address): Promise<PayrollState> {
    this.#answer();
    return this.#payroll.get(`${operator} ${account}`) ?? { cumulative: 0n, epoch: 0 };
  }

  #answer(): void {
    if (this.isDown) throw new VesselError('chain_unavailable');
    this.reads++;
  }
}
