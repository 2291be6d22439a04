/** API keys that a wallet pays for: made, authorized, listed, limited and revoked by whoever signed in as their payer. */
import { hashTypedData } from 'viem';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { type Authorization, ledgerDomain, typedData } from '../../../shared/receipts/typed-data.ts';
import type { AuthorizationState } from '../../chain/chain.ts';
import type { HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { Money } from '../money.ts';
import { aic, PaymentRequiredError } from '../payment/payment-required.ts';
import { RequestError } from '../request-error.ts';
import type { PaidKey } from './api-keys.ts';
import { placeOf } from './authorization-calls.ts';

/** A key with what the chain says of it. */
export interface KeyWithState {
  key: PaidKey;
  state: AuthorizationState;
}

export class PaidKeys {
  readonly #deps: HttpDeps;
  readonly #money: Money;

  constructor(deps: HttpDeps, money: Money) {
    this.#deps = deps;
    this.#money = money;
  }

  async create(payer: Address, { name, cap, expiry }: { name: string; cap: bigint; expiry: number }) {
    const { keys, clock } = this.#deps;
    const { sessionKeys } = this.#money;
    const nowSeconds = clock() / 1000;
    if (expiry <= nowSeconds || expiry > nowSeconds + httpLimits.maxAuthorizationSeconds) {
      throw new RequestError('bad_request', 'The expiry must be ahead, at most 400 days.', { param: 'expiry' });
    }
    if (keys.listOf(payer).length >= httpLimits.maxKeysPerPayer) {
      throw new VesselError('forbidden', `At most ${httpLimits.maxKeysPerPayer} keys per account: revoke one first.`);
    }
    await sessionKeys.forget(await keys.prune(clock() - httpLimits.pendingKeyMs));
    const sessionKey = await sessionKeys.create();
    const payment = { payer, sessionKey, cap: cap.toString(), expiry, spendLimit: null, isAuthorized: false };
    const { key, secret } = await keys.create({ name, payment });
    return { key: { ...key, payment }, secret };
  }

  async list(payer: Address): Promise<KeyWithState[]> {
    return Promise.all(this.#deps.keys.listOf(payer).map((key) => this.#withState(key)));
  }

  /** @throws VesselError `not_found`, also for another payer's key: whose keys there are is nobody else's business */
  require(payer: Address, id: string): PaidKey {
    const key = this.#deps.keys.listOf(payer).find((known) => known.id === id);
    if (!key) throw new VesselError('not_found', 'You have no such key: GET /v1/keys lists them.');
    return key;
  }

  /** Brings the payer's signature to the chain. Repeating it changes nothing. */
  async authorize(payer: Address, id: string, signature: Hex): Promise<KeyWithState> {
    const key = this.require(payer, id);
    const authorization = authorizationOf(key);
    const { wallets, escrow, payments } = this.#money;
    const digest = hashTypedData({
      domain: ledgerDomain(placeOf(payments.terms)),
      types: { Authorization: typedData.Authorization },
      primaryType: 'Authorization',
      message: { ...authorization },
    });
    if (!(await wallets.verifyDigest(payer, digest, signature))) {
      throw new RequestError('bad_request', 'The authorization is not signed by the account you signed in with.', {
        param: 'signature',
      });
    }
    const before = await escrow.authorizationOf(payer, authorization.sessionKey);
    const needed = authorization.cap - before.cap;
    const free = await escrow.balanceOf(payer);
    if (needed > free) {
      throw new PaymentRequiredError(
        `The key's cap needs ${aic(needed)} and your account has ${aic(free)} free: deposit AIC or make a key with a lower cap.`,
        null,
      );
    }
    await escrow.authorize(authorization, signature);
    return this.#withState(key);
  }

  /** @param limit null: the cap alone */
  async setSpendLimit(payer: Address, id: string, limit: bigint | null): Promise<KeyWithState> {
    const key = this.require(payer, id);
    if (limit !== null && limit > BigInt(key.payment.cap)) {
      throw new RequestError('bad_request', 'The limit cannot be above the cap that was authorized.', { param: 'spend_limit' });
    }
    await this.#deps.keys.setPayment(id, { spendLimit: limit === null ? null : limit.toString() });
    return this.#withState(this.require(payer, id));
  }

  async revoke(payer: Address, id: string): Promise<PaidKey> {
    const key = this.require(payer, id);
    await this.#deps.keys.revoke(id);
    return key;
  }

  async #withState(key: PaidKey): Promise<KeyWithState> {
    const state = await this.#money.escrow.authorizationOf(key.payment.payer, key.payment.sessionKey);
    // However it came there: by this relay or by a transaction of the wallet's own.
    if (state.cap > 0n && !key.payment.isAuthorized) await this.#deps.keys.setPayment(key.id, { isAuthorized: true });
    const spent = await this.#money.payments.spentBy(key.payment);
    return { key, state: { ...state, spent: spent > state.spent ? spent : state.spent } };
  }
}

export function authorizationOf({ payment }: PaidKey): Authorization {
  const { payer, sessionKey, cap, expiry } = payment;
  return { payer, sessionKey, cap: BigInt(cap), expiry };
}
