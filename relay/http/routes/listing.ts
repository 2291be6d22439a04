/** What `GET /v1/models` and `GET /v1/services` tell of a model's entry in the registry. */
import { z } from 'zod';
import type { Money } from '../money.ts';

export const listingSchema = z.strictObject({
  /** Id of the Asset NFT. */
  asset: z.string(),
  /** Who is paid when the model is used; null for an asset that nobody owns. */
  owner: z.string().nullable(),
  /** Basis points of the compute price that the owner gets, and those that it was made from. */
  royalty: z.number().int(),
  /** Basis points of the compute price for the network. */
  network_fee: z.number().int(),
  /** Wei per 1,000 units: the owner's least price. */
  price_floor: z.string(),
  /** Counts up with each change of the entry. */
  version: z.number().int(),
  active: z.boolean(),
});
export type ListingFields = { listing?: z.infer<typeof listingSchema> };

/** Nothing for a model that is not listed, in a free network, and while the chain does not answer. `id`: CID of the manifest. */
export async function listingFields(money: Money | null, id: string): Promise<ListingFields> {
  const listing = await money?.listings.of(id).catch(() => null);
  if (!listing) return {};
  const { asset, owner, useRoyalty, networkFee, priceFloor, version, active } = listing;
  return {
    listing: {
      asset: asset.toString(),
      owner,
      royalty: useRoyalty,
      network_fee: networkFee,
      price_floor: priceFloor.toString(),
      version,
      active,
    },
  };
}
