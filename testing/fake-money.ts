/** Everything the HTTP API knows of money, in memory. Signatures are real and really checked; the chain is a few maps. */
import { recoverAddress, recoverMessageAddress } from 'viem';
import type { AuthorizationState } from '../relay/chain/chain.ts';
import { SessionKeys } from '../relay/http/keys/session-keys.ts';
import type {
  AccountOrder,
  Earnings,
  Escrow,
  ModelListing,
  Money,
  PayrollReader,
  SignedTransfer,
  Wallets,
  X402,
} from '../relay/http/money.ts';
import type { PayingParty } from '../relay/payments/payments.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import type { Address, Hex } from '../shared/receipts/hex.ts';
import type { Authorization } from '../shared/receipts/typed-data.ts';
import { FakePayments, testTerms } from './fake-payments.ts';
import { MemoryStore } from './memory-store.ts';

export class FakeWallets implements Wallets {
  async verifyMessage(wallet: Address, message: string, signature: Hex): Promise<boolean> {
    return isSigner(wallet, () => recoverMessageAddress({ message, signature }));
  }

  async verifyDigest(wallet: Address, hash: Hex, signature: Hex): Promise<boolean> {
    return isSigner(wallet, () => recoverAddress({ hash, signature }));
  }
}

export class FakeEscrow implements Escrow {
  readonly free = new Map<Address, bigint>();
  readonly authorizations = new Map<string, AuthorizationState>();
  readonly #payments: FakePayments;

  constructor(payments: FakePayments) {
    this.#payments = payments;
  }

  async balanceOf(payer: Address): Promise<bigint> {
    return this.free.get(payer) ?? 0n;
  }

  async authorizationOf(payer: Address, sessionKey: Address): Promise<AuthorizationState> {
    return this.authorizations.get(`${payer}:${sessionKey}`) ?? { cap: 0n, spent: 0n, expiry: 0, closed: false };
  }

  /** Chain time, unix seconds. */
  now = 0;

  async times() {
    return { now: this.now, claimWindow: 3_600 };
  }

  async authorize({ payer, sessionKey, cap, expiry }: Authorization): Promise<void> {
    const key = `${payer}:${sessionKey}`;
    if (this.authorizations.has(key)) return;
    this.free.set(payer, (await this.balanceOf(payer)) - cap);
    this.authorizations.set(key, { cap, spent: 0n, expiry, closed: false });
    this.#payments.give(payer, sessionKey, cap);
  }
}

/** Takes every transfer once. `fail` makes the next one fail. */
export class FakeX402 implements X402 {
  readonly token = { name: 'AIC', version: '1' };
  readonly settled: SignedTransfer[] = [];
  readonly entries = new Map<string, string>();
  fail: VesselError | null = null;
  gateAt: { address: Address; sessionKey: Address } | null = {
    address: `0x${'6'.repeat(40)}`,
    sessionKey: `0x${'7'.repeat(40)}`,
  };
  readonly #payments: FakePayments;

  constructor(payments: FakePayments) {
    this.#payments = payments;
  }

  gate() {
    return this.gateAt;
  }

  async settle(_id: string, transfer: SignedTransfer): Promise<{ transaction: Hex }> {
    // As long as a chain takes: whoever comes in between finds the payment in work.
    await new Promise((resolve) => setImmediate(resolve));
    const { fail } = this;
    this.fail = null;
    if (fail) throw fail;
    if (this.settled.some(({ nonce }) => nonce === transfer.nonce)) throw new VesselError('payment_required', 'Used.');
    this.settled.push(transfer);
    this.#payments.give(transfer.from, this.gateAt!.sessionKey, transfer.value);
    return { transaction: `0x${this.settled.length.toString(16).padStart(64, '0')}` };
  }

  readonly journal = {
    read: async (key: string) => this.entries.get(key) ?? null,
    write: async (key: string, value: string, expected?: string | null) => {
      if (expected !== undefined && (this.entries.get(key) ?? null) !== expected) return false;
      this.entries.set(key, value);
      return true;
    },
  };
}

export const testListing: ModelListing = {
  asset: 7n,
  owner: `0x${'4'.repeat(40)}`,
  version: 2,
  useRoyalty: 1_000,
  networkFee: 500,
  priceFloor: 250n,
  active: true,
};
export const testLeaf = { account: `0x${'3'.repeat(40)}`, cumulative: 5n, next: `0x${'0'.repeat(40)}` } as const;
const root: Hex = `0x${'9'.repeat(64)}`;

class FakePayroll implements PayrollReader {
  async epochs(operator: Address) {
    return operator === testTerms.operator ? [{ epoch: 1, root, total: 5n, readyAt: 100, state: 'current' as const }] : [];
  }

  async leaves(epoch: number) {
    return epoch === 1 ? { operator: testTerms.operator as Address, epoch, root, total: 5n, leaves: [testLeaf] } : null;
  }

  async earnings(account: Address): Promise<Earnings> {
    const claimable = account === testLeaf.account ? testLeaf.cumulative : 0n;
    return { earned: 0n, pending: 0n, claimable, paid: 0n, payout: null, nonce: 0n, direct: [] };
  }
}

export interface FakeMoneyOptions {
  payments?: FakePayments;
  houseParty?: PayingParty | null;
  overrides?: Partial<Money>;
}

export async function fakeMoney({ payments = new FakePayments(), houseParty = null, overrides }: FakeMoneyOptions = {}) {
  const escrow = new FakeEscrow(payments);
  const x402 = new FakeX402(payments);
  const orders: AccountOrder[] = [];
  const given: Address[] = [];
  const calls: string[] = [];
  const transaction: Hex = `0x${'8'.repeat(64)}`;
  const money = {
    payments,
    listings: { of: async () => testListing },
    wallets: new FakeWallets(),
    escrow,
    sessionKeys: await SessionKeys.open(new MemoryStore()),
    x402,
    payroll: new FakePayroll(),
    accounts: {
      submit: async (order: AccountOrder) => {
        orders.push(order);
        return { transaction };
      },
    },
    rpc: {
      call: async (method: string) => {
        calls.push(method);
        return '0x7a69';
      },
    },
    faucet: {
      give: async (to: Address) => {
        given.push(to);
        return { coins: 1n, aic: 1000n };
      },
    },
    houseParty,
    domains: () => ['localhost:8787'],
    ...overrides,
  } satisfies Money;
  return { money, payments, escrow, x402, orders, given, calls };
}

async function isSigner(wallet: Address, recover: () => Promise<Address>): Promise<boolean> {
  try {
    return (await recover()).toLowerCase() === wallet;
  } catch {
    return false;
  }
}
