/** A relay with a chain, from start to stop: the real books, the real sender, the real contracts; no provider is there to answer. */
import assert from 'node:assert/strict';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { openPaidNetwork, type PaidNetwork } from './open-paid-network.ts';

describe('money put together', { skip: skipWithoutAnvil }, () => {
  let net: ChainUnderTest;
  let folder: string;

  before(async () => {
    net = await openChainUnderTest();
    folder = join(net.folder, 'relay');
    await mkdir(folder);
  });
  after(() => net.close());

  const open = (): Promise<PaidNetwork> =>
    openPaidNetwork({
      relayChain: net.relayChain,
      folder,
      databaseUrl: undefined,
      layersOf: () => 8,
      domains: () => ['localhost:8787'],
      housePayer: net.payer,
    });

  test('the house pays up to what it set aside, and a restart finds gate and house as they were', async () => {
    const first = await open();
    const { houseParty, x402 } = first.money;
    assert.equal(await first.payments.available(houseParty!), 1_000n * 10n ** 18n);
    while (x402.gate() === null) await new Promise((resolve) => setTimeout(resolve, 20));
    const gate = x402.gate();
    await first.close();

    const second = await open();
    assert.deepEqual(second.money.houseParty, houseParty);
    assert.equal(await second.payments.available(houseParty!), 1_000n * 10n ** 18n);
    while (second.money.x402.gate() === null) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(second.money.x402.gate(), gate);
    const earnings = await second.money.payroll.earnings(houseParty!.payer);
    assert.deepEqual([earnings.earned, earnings.claimable, earnings.paid, earnings.direct], [0n, 0n, 0n, []]);
    assert.deepEqual(await second.money.payroll.epochs(net.relayChain.operator), []);
    assert.equal((await stat(join(folder, 'session-keys.json'))).mode & 0o777, 0o600);
    await second.close();
  });
});
