import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeFunctionData } from 'viem';
import { assetAbi } from '../../shared/chain/asset.ts';
import { serviceRegistryAbi } from '../../shared/chain/service-registry.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { modelWord } from '../../shared/receipts/ids.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { serviceTypeId } from '../chain/list-models.ts';
import { type LocalNetwork, openLocalNetwork } from '../chain/local-network.ts';
import { sendAndWait } from '../chain/send-and-wait.ts';
import { openClient } from '../chain/viem-chain.ts';
import { ModelStore } from '../models/model-store.ts';
import { openDataFolder } from './data-folder.ts';
import { addDefaultModel, addDefaultServices } from './default-models.ts';
import { listDefaultModels } from './list-default-models.ts';

async function setup(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-listing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const data = await openDataFolder(join(folder, 'data'));
  const store = await new ModelStore(data.models).open();
  const models = [await addDefaultModel(store, data, new RecordedIo({})), ...(await addDefaultServices(store, data))];
  const folders = { chain: join(folder, 'chain'), addresses: join(folder, 'addresses.json'), hotKey: join(folder, 'hot-key') };
  return { models, open: () => openLocalNetwork(folders), store, data };
}

/** Transactions that the listing's two keys have sent. */
async function sent({ relayChain, dev, owner }: LocalNetwork): Promise<number> {
  const client = openClient(relayChain.rpcUrl);
  const counts = await Promise.all([dev, owner].map(({ address }) => client.getTransactionCount({ address })));
  return counts.reduce((sum, count) => sum + count);
}

test('the models that come along are assets of one owner, listed once with their terms, over restarts too', {
  skip: skipWithoutAnvil,
}, async (t) => {
  const { models, open, store, data } = await setup(t);
  assert.deepEqual(
    models.map(({ manifest }) => manifest.name),
    ['vessel-tiny', 'mnist', 'silero-vad'],
  );
  const first = await open();
  assert.equal(await listDefaultModels(first, models), 5);
  const { chain } = first.relayChain;
  const owner = first.owner.address.toLowerCase() as Address;
  for (const [index, { id }] of models.entries()) {
    const digest = modelWord(id);
    const entry = await chain.entryOf(digest);
    const priceFloor = [250n, 25_000n, 250n][index]! * 10n ** 12n;
    assert.deepEqual(entry, { asset: BigInt(index + 1), version: 1, networkFee: 500, priceFloor, active: true });
    const asset = await chain.assetOf(entry!.asset);
    assert.deepEqual(asset, { kind: 'model', maker: owner, digest, useRoyalty: 1_000, saleRoyalty: 250 });
    assert.equal(await chain.ownerOf(entry!.asset), owner);
  }
  for (const name of ['image-classification', 'voice-activity']) {
    assert.partialDeepStrictEqual(await chain.entryOf(serviceTypeId(name)), { asset: 0n, version: 1, active: true });
  }
  // What the owner changes stays changed.
  const tiny = modelWord(models[0]!.id);
  const change = encodeFunctionData({ abi: serviceRegistryAbi, functionName: 'updateModel', args: [tiny, 7n, true] });
  const { chainId } = chain.place;
  await sendAndWait(openClient(first.relayChain.rpcUrl), first.owner, { chainId, to: chain.addresses.registry, data: change });
  const before = await sent(first);
  assert.equal(await listDefaultModels(first, models), 0);
  assert.equal(await sent(first), before);
  await first.close();

  const second = await open();
  t.after(() => second.close());
  const again = [await addDefaultModel(store, data, new RecordedIo({})), ...(await addDefaultServices(store, data))];
  assert.equal(await listDefaultModels(second, again), 0);
  assert.equal(await sent(second), before);
  assert.partialDeepStrictEqual(await second.relayChain.chain.entryOf(tiny), { version: 2, priceFloor: 7n });
});

test('a start that was interrupted between mint and listing is made good, without a second asset', {
  skip: skipWithoutAnvil,
}, async (t) => {
  const { models, open } = await setup(t);
  const network = await open();
  t.after(() => network.close());
  const { chain, rpcUrl } = network.relayChain;
  const args = [network.owner.address, 2, modelWord(models[0]!.id), 1_000, 250, []] as const;
  const data = encodeFunctionData({ abi: assetAbi, functionName: 'mint', args });
  await sendAndWait(openClient(rpcUrl), network.owner, { chainId: chain.place.chainId, to: chain.addresses.asset, data });
  assert.equal(await listDefaultModels(network, models), 5);
  assert.equal(await chain.assetCount(), 3n);
  assert.equal((await chain.entryOf(modelWord(models[0]!.id)))!.asset, 1n);
});
