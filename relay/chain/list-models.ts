/**
 * Makes models assets that somebody owns and enters them, and service types, in the registry. Every step looks first whether it was done:
 * a listing that was interrupted is made good by the next, and done again it sends nothing.
 */
import { encodeFunctionData, keccak256, type PublicClient, parseEventLogs, stringToHex } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { assetAbi } from '../../shared/chain/asset.ts';
import { serviceRegistryAbi } from '../../shared/chain/service-registry.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Chain } from './chain.ts';
import { sendAndWait, type WaitOptions } from './send-and-wait.ts';

export interface ModelToList {
  /** sha2-256 of the manifest. */
  digest: Hex;
  /** Basis points of the compute price, for its owner. */
  useRoyalty: number;
  /** Basis points of a sale's price. */
  saleRoyalty: number;
  /** Wei per 1,000 units. */
  priceFloor: bigint;
}

export interface ServiceTypeToList {
  name: string;
  /** Wei per 1,000 units. */
  priceFloor: bigint;
}

interface Place {
  client: PublicClient;
  chain: Chain;
}

/** IAsset.Kind.Model. */
const modelKind = 2;

/** `owner` mints what is not minted and lists what is not listed; models that somebody has listed are left alone. Returns how many were new. */
export async function listModels(
  { client, chain }: Place,
  owner: PrivateKeyAccount,
  models: readonly ModelToList[],
  options: WaitOptions = {},
): Promise<number> {
  const { asset, registry } = chain.addresses;
  const { chainId } = chain.place;
  let added = 0;
  for (const { digest, useRoyalty, saleRoyalty, priceFloor } of models) {
    if (await chain.entryOf(digest)) continue;
    let id = await assetWith(chain, digest, lower(owner));
    if (id === null) {
      const args = [owner.address, modelKind, digest, useRoyalty, saleRoyalty, []] as const;
      const data = encodeFunctionData({ abi: assetAbi, functionName: 'mint', args });
      const { logs } = await sendAndWait(client, owner, { chainId, to: asset, data }, options);
      id = parseEventLogs({ abi: assetAbi, logs, eventName: 'Minted' })[0]!.args.id;
    }
    const data = encodeFunctionData({ abi: serviceRegistryAbi, functionName: 'listModel', args: [digest, id, priceFloor] });
    await sendAndWait(client, owner, { chainId, to: registry, data }, options);
    added += 1;
  }
  return added;
}

/** `owner` is the registry's. Types that are listed are left as they are. Returns how many were new. */
export async function listServiceTypes(
  { client, chain }: Place,
  owner: PrivateKeyAccount,
  types: readonly ServiceTypeToList[],
  options: WaitOptions = {},
): Promise<number> {
  let added = 0;
  for (const { name, priceFloor } of types) {
    if (await chain.entryOf(serviceTypeId(name))) continue;
    // The work is paid to whoever owns the model: the type itself is nobody's.
    const args = [name, 0n, priceFloor, true] as const;
    const data = encodeFunctionData({ abi: serviceRegistryAbi, functionName: 'setServiceType', args });
    await sendAndWait(client, owner, { chainId: chain.place.chainId, to: chain.addresses.registry, data }, options);
    added += 1;
  }
  return added;
}

/** A service type's id in the registry. */
export function serviceTypeId(name: string): Hex {
  return keccak256(stringToHex(name));
}

/** An asset that was minted and not listed. The newest first: there are few, and this is a local chain's question. */
async function assetWith(chain: Chain, digest: Hex, owner: Address): Promise<bigint | null> {
  for (let id = await chain.assetCount(); id > 0n; id -= 1n) {
    const state = await chain.assetOf(id);
    if (state?.digest === digest && state.kind === 'model' && (await chain.ownerOf(id)) === owner) return id;
  }
  return null;
}

const lower = ({ address }: PrivateKeyAccount) => address.toLowerCase() as Address;
