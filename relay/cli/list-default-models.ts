/** Enters the models that come with Vessel on this machine's own chain, so that a first answer pays their owner too. */
import { modelWord } from '../../shared/receipts/ids.ts';
import { requireServiceType, serviceTypes } from '../../shared/services/registry.ts';
import { listModels, listServiceTypes } from '../chain/list-models.ts';
import type { LocalNetwork } from '../chain/local-network.ts';
import { openClient } from '../chain/viem-chain.ts';
import type { StoredModel } from '../models/model-store.ts';
import { defaultPaymentSettings } from '../payments/payment-settings.ts';

/** Basis points, for the owner of the model. */
const useRoyalty = 1_000;
const saleRoyalty = 250;
const pollMs = 50;

/** Models that are listed stay as they are: their owner may have changed them. Returns how many entries are new. */
export async function listDefaultModels(
  { relayChain, dev, owner }: LocalNetwork,
  models: readonly StoredModel[],
): Promise<number> {
  const place = { client: openClient(relayChain.rpcUrl), chain: relayChain.chain };
  // The price of 1,000 units, in the cheaper of the two prices that the network begins with.
  const { prompt } = defaultPaymentSettings.ask;
  const floorOf = (positionsPerUnit: number) => 1_000n * BigInt(positionsPerUnit) * prompt;
  const toList = models.map(({ id, manifest }) => ({
    digest: modelWord(id),
    useRoyalty,
    saleRoyalty,
    priceFloor: floorOf(manifest.kind === 'language' ? 1 : requireServiceType(manifest.service).positionsPerUnit),
  }));
  const types = serviceTypes.map(({ name, positionsPerUnit }) => ({ name, priceFloor: floorOf(positionsPerUnit) }));
  // Two keys, so neither waits for the other.
  const added = await Promise.all([
    listModels(place, owner, toList, { pollMs }),
    listServiceTypes(place, dev, types, { pollMs }),
  ]);
  return added[0] + added[1];
}
