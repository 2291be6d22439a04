/** Who is paid beside the hops when a model is used: its asset's owner, those of what it was made from, and the network. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Share } from '../../shared/receipts/price.ts';
import type { Chain } from '../chain/chain.ts';

type Reader = Pick<Chain, 'entryOf' | 'networkFee' | 'network' | 'assetOf' | 'parentsOf' | 'ownerOf'>;

/** Owners change seldom, and an answer should not wait for the chain. */
const freshMs = 60_000;
/** Lineage has no cycles, but it can be long; nothing is left of a royalty before this. */
const maxDepth = 16;

export class ModelShares {
  readonly #chain: Reader;
  readonly #now: () => number;
  readonly #known = new Map<Hex, { atMs: number; shares: Promise<Share[]> }>();

  constructor(chain: Reader, now: () => number) {
    this.#chain = chain;
    this.#now = now;
  }

  /** `model`: sha2-256 of the manifest. A model that is not listed pays the network alone. Throws `chain_unavailable`. */
  of(model: Hex): Promise<Share[]> {
    const known = this.#known.get(model);
    if (known && this.#now() - known.atMs < freshMs) return known.shares;
    const shares = this.#read(model);
    this.#known.set(model, { atMs: this.#now(), shares });
    shares.catch(() => this.#known.delete(model));
    return shares;
  }

  async #read(model: Hex): Promise<Share[]> {
    const entry = await this.#chain.entryOf(model);
    if (entry && !entry.active) throw new VesselError('forbidden', 'The owner of this model has switched it off.');
    const points = new Map<Address, number>();
    const add = (account: Address, basisPoints: number) => points.set(account, (points.get(account) ?? 0) + basisPoints);
    if (entry && entry.asset > 0n) {
      const royalty = (await this.#chain.assetOf(entry.asset))?.useRoyalty ?? 0;
      await this.#divide(entry.asset, royalty, maxDepth, add);
    }
    add(await this.#chain.network(), entry ? entry.networkFee : await this.#chain.networkFee());
    return [...points]
      .filter(([, basisPoints]) => basisPoints > 0)
      .map(([account, basisPoints]) => ({ account, basisPoints }))
      .slice(0, limits.maxShares);
  }

  /** Each parent gets its share of the royalty, rounded down, and divides it in the same way; the owner has the rest. */
  async #divide(asset: bigint, royalty: number, depth: number, add: (account: Address, points: number) => void): Promise<void> {
    if (royalty === 0) return;
    let rest = royalty;
    for (const { id, share } of depth > 0 ? await this.#chain.parentsOf(asset) : []) {
      const part = Math.floor((royalty * share) / 10_000);
      rest -= part;
      await this.#divide(id, part, depth - 1, add);
    }
    const owner = await this.#chain.ownerOf(asset);
    if (owner) add(owner, rest);
  }
}
