/** Somebody is gone while money is between two hands. On a real EVM; what belongs to whom afterwards, to the wei. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { privateKeyToAccount } from 'viem/accounts';
import type { Hex } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import { sharePrice } from '../../shared/receipts/price.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { addressOf, aic, MoneyWorld, type WorldHop } from '../../testing/money-world.ts';
import { answer, directEarnings, type Heard, requireBooks } from '../../testing/settlement-life.ts';
import { callBody } from '../chain/contract-calls.ts';
import { checkBooks } from './check-books.ts';
import type { RelayPayments } from './relay-payments.ts';

const claimWindow = 3_600;
/** With the network's 5 %. */
const priceOf = (compute: bigint) => compute + sharePrice(compute, 500);

describe('somebody is gone', { skip: skipWithoutAnvil }, () => {
  let world: MoneyWorld;
  let ledger: MemoryLedger;
  let heard: Heard;
  before(async () => {
    world = await MoneyWorld.open();
  });
  after(() => world?.close());
  beforeEach(async () => {
    await world.restart();
    ledger = new MemoryLedger();
    heard = { credits: new Map() };
  });

  const work = (payments: RelayPayments, hop: WorldHop, amount: bigint) =>
    answer(world, payments, '1'.repeat(32), world.sessionKeys[0]!, [{ hop, promised: amount, done: amount }], heard);

  async function closeAndPay(payments: RelayPayments): Promise<void> {
    await payments.closeEpoch();
    await world.pass(30);
    assert.equal((await payments.advance()).state, 'open');
  }

  /** The payer ends every authorization it can and takes out what is free. */
  async function payerLeaves(): Promise<void> {
    const { network, chain } = world;
    const { ledger: escrow } = chain.addresses;
    for (const secret of [...world.sessionKeys, world.askerKey])
      await world.send(network.payer, escrow, callBody('ledger', 'revoke', [privateKeyToAccount(secret).address]).data);
    const free = await chain.balanceOf(world.payer);
    if (free > 0n) await world.send(network.payer, escrow, callBody('ledger', 'withdraw', [free, world.payer]).data);
  }

  async function release(secret: Hex): Promise<void> {
    const { data } = callBody('ledger', 'release', [world.payer, addressOf(secret)]);
    await world.send(world.network.payer, world.chain.addresses.ledger, data);
  }

  test('a provider vanishes with unclaimed pay: it waits, epoch after epoch, and a year later it is there without the relay', async () => {
    const third = world.hops[2]!;
    const { payments, stop } = await world.relay(ledger);
    await work(payments, third, 2n * aic);
    await closeAndPay(payments);
    assert.equal(await ledger.balance(`payroll:${third.account}`), 2n * aic);
    await requireBooks(world, ledger);
    await answer(
      world,
      payments,
      '2'.repeat(32),
      world.sessionKeys[1]!,
      [{ hop: world.hops[0]!, promised: aic, done: aic }],
      heard,
    );
    await closeAndPay(payments);
    assert.equal(await ledger.balance(`payroll:${third.account}`), 2n * aic);
    const file = (await payments.payrollFile(2))!;
    await stop();

    await world.pass(365 * 86_400);
    await world.setPayout(third);
    const { leaf, proof } = parsePayroll(file).tree.proofOf(third.account);
    const claim = callBody('payroll', 'claim', [world.operator, leaf, proof]);
    await world.send(world.network.dev, world.chain.addresses.payroll, claim.data);
    assert.equal(await world.chain.aicOf(third.payout), 2n * aic);
    // The relay hears of it at its next start, and does not pay again.
    const next = await world.relay(ledger);
    await next.payments.advance();
    assert.equal(await ledger.balance(`payroll:${third.account}`), 0n);
    assert.equal(await world.chain.aicOf(third.payout), 2n * aic);
    await requireBooks(world, ledger);
    await next.stop();
  });

  test('a provider vanishes with an unclaimed voucher: another of the same voucher hands it in, and both are paid', async () => {
    const [first, second] = world.hops as [WorldHop, WorldHop];
    const { payments, stop } = await world.relay(ledger);
    const [, ofSecond] = await directEarnings(world, payments);
    await payments.earned(ofSecond!);
    await payments.advance();
    assert.equal(await world.chain.aicOf(first.payout), 2n * aic);
    assert.equal(await world.chain.aicOf(second.payout), 3n * aic);
    await requireBooks(world, ledger);
    await stop();
  });

  test('a payer withdraws with vouchers outstanding: what was promised is collected first, the rest goes back to it', async () => {
    const [first, second] = world.hops as [WorldHop, WorldHop];
    const { payments, stop } = await world.relay(ledger, { epochMs: 365 * 86_400_000 });
    await work(payments, first, 3n * aic);
    for (const message of await directEarnings(world, payments)) await payments.earned(message);
    await payerLeaves();
    await assert.rejects(work(payments, first, aic), { code: 'payment_required' });
    await world.pass(claimWindow / 2);
    // No epoch is due for a year; what would be lost by waiting is collected all the same.
    await payments.tick();
    const { paidOut } = await world.chain.channelOf(world.payer, addressOf(world.sessionKeys[0]!), world.operator);
    assert.equal(paidOut, priceOf(3n * aic));
    await requireBooks(world, ledger);
    await world.pass(claimWindow);
    for (const secret of [...world.sessionKeys, world.askerKey]) await release(secret);
    const before = await world.chain.aicOf(world.payer);
    await payerLeaves().catch(() => undefined);
    const free = await world.chain.balanceOf(world.payer);
    assert.equal((await world.chain.aicOf(world.payer)) - before + free, 300n * aic - priceOf(3n * aic) - priceOf(5n * aic));
    await closeAndPay(payments);
    assert.equal(await world.chain.aicOf(first.payout), 5n * aic);
    assert.equal(await world.chain.aicOf(second.payout), 3n * aic);
    await requireBooks(world, ledger);
    await stop();
  });

  test('a relay that slept through a payer’s whole claim window bears that loss itself: its providers are paid, the books say what is owed', async () => {
    const [first] = world.hops as [WorldHop];
    const before = await world.relay(ledger);
    await work(before.payments, first, 3n * aic);
    await before.stop();
    await payerLeaves();
    await world.pass(claimWindow + 1);
    await release(world.sessionKeys[0]!);
    const { payments, stop } = await world.relay(ledger);
    await closeAndPay(payments);
    assert.equal(await world.chain.aicOf(first.payout), 3n * aic);
    await requireBooks(world, ledger);
    const report = await checkBooks(ledger, world.chain, world.operator);
    assert.equal(report.owed, priceOf(3n * aic));
    // It does not try for ever.
    await closeAndPay(payments);
    assert.deepEqual(await ledger.openIntents(), []);
    await stop();
  });
});
