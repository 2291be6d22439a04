import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { addressOf, MoneyWorld, worldModel } from '../../testing/money-world.ts';
import { leastAmounts, worthGas } from './least-amounts.ts';
import { defaultPaymentSettings } from './payment-settings.ts';

const aic = 10n ** 18n;
const gwei = 10n ** 9n;

test('the least payout follows the gas price, by what the operator says AIC is worth', async () => {
  const at = async (gasPrice: bigint, settings = {}) =>
    leastAmounts(
      { gasPrice: async () => gasPrice },
      { ...defaultPaymentSettings, aicPerCoin: 10_000n * aic, gasShare: 500, ...settings },
    );
  // 72,500 gas at 1 gwei are 0.0000725 coins, which are 0.725 AIC: a twentieth of 14.5 AIC.
  assert.deepEqual(await at(gwei), { payout: (145n * aic) / 10n, claim: (123n * aic) / 10n });
  assert.equal((await at(gwei / 100n)).payout, (145n * aic) / 1_000n);
  assert.equal((await at(gwei, { aicPerCoin: 0n })).payout, 1n);
  assert.equal((await at(gwei, { gasShare: 10_000 })).payout, (725n * aic) / 1_000n);
});

test('an amount that the operator has fixed is taken as it is, and the chain is not asked for both', async () => {
  const chain = { gasPrice: () => Promise.reject(new Error('nobody asks')) };
  const settings = { ...defaultPaymentSettings, minPayout: 5n, minClaim: 7n };
  assert.deepEqual(await leastAmounts(chain, settings), { payout: 5n, claim: 7n });
});

test('rounding is up by less than one wei: gas costs at most its share of the least amount, and more of one wei less', () => {
  for (let i = 1n; i < 200n; i++) {
    const worth = { aicPerCoin: i * 7_919n * 10n ** 9n, gasShare: Number(i) * 49 };
    const [gas, gasPrice] = [21_000n + i * i, i * 1_234_567n];
    const least = worthGas(gas, gasPrice, worth);
    const cost = gas * gasPrice * worth.aicPerCoin * 10_000n;
    const share = (amount: bigint) => amount * BigInt(worth.gasShare) * aic;
    assert.ok(cost <= share(least));
    assert.ok(cost > share(least - 1n) || least === 1n);
  }
});

test('while gas is dear a payout waits on chain, and goes by itself when gas is cheap again', {
  skip: skipWithoutAnvil,
}, async () => {
  const world = await MoneyWorld.open();
  try {
    const { chain, hops, network } = world;
    await network.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(100n * gwei).toString(16)}`]);
    await network.rpc('evm_mine');
    // Twice what the hop will have, at this price.
    const aicPerCoin = (10n * aic * aic) / (72_500n * (await chain.gasPrice()));
    const settings = { minPayout: null, minClaim: null, gasShare: 10_000, aicPerCoin };
    const { payments, stop } = await world.relay(new MemoryLedger(), settings);
    const session = '1'.repeat(32);
    const hop = hops[0]!;
    const party = { payer: world.payer, sessionKey: addressOf(world.sessionKeys[0]!), spendLimit: null };
    const reservation = await payments.reserve(party, { model: worldModel, bound: 20n * aic });
    const owed = new Map([[hop.account, 5n * aic]]);
    await reservation.payer.pay(session, owed);
    await reservation.payer.end(session, [await world.receipt(hop, session, 5n * aic)], owed);
    await reservation.settle();
    const raise = () => network.rpc('anvil_setNextBlockBaseFeePerGas', [`0x${(100n * gwei).toString(16)}`]);
    await payments.closeEpoch();
    await world.pass(30);
    await raise();
    await network.rpc('evm_mine');
    await payments.advance();
    assert.equal((await chain.currentOf(world.operator)).epoch, 1);
    await raise();
    await network.rpc('evm_mine');
    await payments.advance();
    assert.equal(await chain.aicOf(hop.payout), 0n, 'it is worth half of its gas');

    await network.rpc('anvil_mine', ['0x20']);
    await payments.advance();
    assert.equal(await chain.aicOf(hop.payout), 5n * aic);
    await stop();
  } finally {
    await world.network.close();
  }
});
