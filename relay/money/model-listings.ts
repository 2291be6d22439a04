/** What the registry says of a model, for whoever looks at its price. */
import { modelWord } from '../../shared/receipts/ids.ts';
import type { Chain } from '../chain/chain.ts';
import type { ModelListing, ModelListings } from '../http/money.ts';

type Reader = Pick<Chain, 'entryOf' | 'assetOf' | 'ownerOf'>;

/** Lists of models are asked for often, and owners change seldom. */
const freshMs = 60_000;

export class ChainListings implements ModelListings {
  readonly #chain: Reader;
  readonly #now: () => number;
  readonly #known = new Map<string, { atMs: number; listing: Promise<ModelListing | null> }>();

  constructor(chain: Reader, now: () => number = Date.now) {
    this.#chain = chain;
    this.#now = now;
  }

  of(model: string): Promise<ModelListing | null> {
    const known = this.#known.get(model);
    if (known && this.#now() - known.atMs < freshMs) return known.listing;
    const listing = this.#read(model);
    this.#known.set(model, { atMs: this.#now(), listing });
    listing.catch(() => this.#known.delete(model));
    return listing;
  }

  async #read(model: string): Promise<ModelListing | null> {
    const entry = await this.#chain.entryOf(modelWord(model));
    if (!entry) return null;
    const { asset, version, networkFee, priceFloor, active } = entry;
    const [state, owner] = await Promise.all([this.#chain.assetOf(asset), this.#chain.ownerOf(asset)]);
    return { asset, owner, version, networkFee, priceFloor, active, useRoyalty: state?.useRoyalty ?? 0 };
  }
}
