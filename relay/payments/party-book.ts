/** What each paying party may still spend through this relay: what the chain says, less what is charged and what answers under way hold. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { DigestSigner } from './credit-book.ts';
import { type ChargeFact, chargeFact, keys, readFact } from './facts.ts';
import type { PayingParty } from './payments.ts';

export type FindSigner = (sessionKey: Address) => DigestSigner | null;

export class PartyBook {
  readonly #ledger: Ledger;
  readonly #chain: Pick<Chain, 'place' | 'now' | 'authorizationOf' | 'channelOf' | 'remainingOf'>;
  readonly #operator: Address;
  readonly #findSigner: FindSigner;
  readonly #expiryMargin: number;
  /** Held by answers under way, by payer and session key. */
  readonly #held = new Map<string, bigint>();

  constructor(parts: {
    ledger: Ledger;
    chain: Pick<Chain, 'place' | 'now' | 'authorizationOf' | 'channelOf' | 'remainingOf'>;
    operator: Address;
    findSigner: FindSigner;
    expiryMargin: number;
  }) {
    this.#ledger = parts.ledger;
    this.#chain = parts.chain;
    this.#operator = parts.operator;
    this.#findSigner = parts.findSigner;
    this.#expiryMargin = parts.expiryMargin;
  }

  /** In wei; 0 for an authorization that ends too soon, and for one whose key this relay does not hold. */
  async available({ payer, sessionKey, spendLimit }: PayingParty): Promise<bigint> {
    if (!this.#findSigner(sessionKey)) return 0n;
    const { expiry, closed } = await this.#chain.authorizationOf(payer, sessionKey);
    if (closed || expiry <= (await this.#chain.now()) + this.#expiryMargin) return 0n;
    // In this order: a claim that lands between the two makes the answer smaller, never larger.
    const { claimed } = await this.#chain.channelOf(payer, sessionKey, this.#operator);
    const remaining = await this.#chain.remainingOf(payer, sessionKey);
    // Read last, without a pause before `hold`.
    const charged = (await this.charge(payer, sessionKey))?.cumulative ?? 0n;
    const open = charged > claimed ? charged - claimed : 0n;
    const held = this.#held.get(keyOf(payer, sessionKey)) ?? 0n;
    const onChain = remaining - open - held;
    const byLimit = spendLimit === null ? onChain : spendLimit - charged - held;
    const least = byLimit < onChain ? byLimit : onChain;
    return least > 0n ? least : 0n;
  }

  /** Holds `bound` wei, or throws `payment_required` with the numbers. Call it in turn: it looks and then holds. */
  async hold(party: PayingParty, bound: bigint): Promise<void> {
    const available = await this.available(party);
    if (bound > available)
      throw new VesselError(
        'payment_required',
        `This answer may cost up to ${bound} wei, and ${available} wei are left for it. Set more aside for this key, or ask for less.`,
      );
    const key = keyOf(party.payer, party.sessionKey);
    this.#held.set(key, (this.#held.get(key) ?? 0n) + bound);
  }

  free({ payer, sessionKey }: PayingParty, bound: bigint): void {
    const key = keyOf(payer, sessionKey);
    const left = (this.#held.get(key) ?? 0n) - bound;
    if (left > 0n) this.#held.set(key, left);
    else this.#held.delete(key);
  }

  async charge(payer: Address, sessionKey: Address): Promise<ChargeFact | null> {
    const text = await this.#ledger.read(keys.charge(payer, sessionKey));
    return text === null ? null : readFact(chargeFact, text);
  }

  /** The voucher for everything charged so far and `amount` more. Not stored: it goes into the books with its answer. */
  async signCharge({ payer, sessionKey }: PayingParty, amount: bigint): Promise<ChargeFact> {
    const cumulative = ((await this.charge(payer, sessionKey))?.cumulative ?? 0n) + amount;
    const signer = this.#findSigner(sessionKey);
    if (!signer) throw new VesselError('internal', `This relay does not hold the session key ${sessionKey}.`);
    const voucher = chargeVoucher({ payer, cumulative }, this.#operator);
    return { payer, sessionKey, cumulative, signature: await signer.sign({ hash: voucherDigest(this.#chain.place, voucher) }) };
  }
}

/** Session keys of the relay pay the operator and nobody else. */
export function chargeVoucher({ payer, cumulative }: Pick<ChargeFact, 'payer' | 'cumulative'>, operator: Address) {
  return { payer, total: cumulative, payments: [{ payee: operator, cumulative }] };
}

function keyOf(payer: Address, sessionKey: Address): string {
  return `${payer}:${sessionKey}`;
}
