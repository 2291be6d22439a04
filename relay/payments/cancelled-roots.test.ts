/** What happens to a root before it counts, by others: challenged, cancelled, forfeited from. On a real EVM. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Hex } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { CrashPoints } from '../../testing/crash-points.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { aic, MoneyWorld, type WorldHop } from '../../testing/money-world.ts';
import { answer, type Heard, requireBooks } from '../../testing/settlement-life.ts';
import { callBody } from '../chain/contract-calls.ts';
import { keys } from './facts.ts';
import type { RelayPayments } from './relay-payments.ts';

const verdict: Hex = `0x${'7e'.repeat(32)}`;

describe('a root before it counts', { skip: skipWithoutAnvil }, () => {
  let world: MoneyWorld;
  let ledger: MemoryLedger;
  let heard: Heard;
  let first: WorldHop;
  let second: WorldHop;
  before(async () => {
    world = await MoneyWorld.open();
  });
  after(() => world?.close());
  beforeEach(async () => {
    await world.restart();
    ledger = new MemoryLedger();
    heard = { credits: new Map() };
    [first, second] = world.hops as [WorldHop, WorldHop];
  });

  const work = (payments: RelayPayments, digit: string, amounts: [WorldHop, bigint][]) =>
    answer(
      world,
      payments,
      digit.repeat(32),
      world.sessionKeys[0]!,
      amounts.map(([hop, amount]) => ({ hop, promised: amount, done: amount })),
      heard,
    );

  async function pendingTree(payments: RelayPayments, epoch: number) {
    return parsePayroll((await payments.payrollFile(epoch))!).tree;
  }

  /** As the hop would: with the credit it was given, against the root that is on chain. */
  async function challenge(payments: RelayPayments, text: string, epoch: number): Promise<void> {
    const { account, cumulative, epoch: of, signature } = JSON.parse(text);
    const { leaf, proof } = (await pendingTree(payments, epoch)).evidenceOf(account);
    const credit = { operator: world.operator, account, cumulative: BigInt(cumulative), epoch: of };
    const { data } = callBody('payroll', 'challengeCredit', [credit, signature, leaf, proof]);
    await world.send(world.network.dev, world.chain.addresses.payroll, data);
  }

  async function untilOpen(payments: RelayPayments): Promise<void> {
    await world.pass(30);
    assert.equal((await payments.advance()).state, 'open');
  }

  test('a relay whose ledger was put back to yesterday’s is shown a credit it forgot: the corrected root honours it, nobody loses', async () => {
    const before = await world.relay(ledger);
    await work(before.payments, '1', [[first, 2n * aic]]);
    const old = ledger.copy();
    await work(before.payments, '2', [
      [first, 3n * aic],
      [second, aic],
    ]);
    const forgotten = await Promise.all([first, second].map(({ account }) => ledger.read(keys.credit(account))));
    await before.stop();

    const { payments, stop } = await world.relay(old);
    assert.equal((await payments.closeEpoch()).state, 'pending');
    const wrong = await pendingTree(payments, 1);
    for (const credit of forgotten) {
      await challenge(payments, credit!, 1);
      assert.equal((await world.chain.pendingOf(world.operator)).epoch, 0);
      assert.equal((await payments.advance()).state, 'pending');
      await requireBooks(world, old);
    }
    const corrected = await pendingTree(payments, 1);
    assert.notEqual(corrected.root, wrong.root);
    assert.equal((await world.chain.pendingOf(world.operator)).root, corrected.root);
    await untilOpen(payments);
    for (const { account, payout } of [first, second]) {
      assert.equal((await world.chain.paidOf(world.operator, account)).paid, heard.credits.get(account));
      assert.equal(await world.chain.aicOf(payout), heard.credits.get(account));
    }
    const entry = await old.entry('root:1');
    assert.equal((entry!.evidence.corrections as unknown[]).length, 2);
    await requireBooks(world, old);
    // What it promises from now on is on top of what it had forgotten.
    await work(payments, '3', [[first, aic]]);
    await payments.closeEpoch();
    await untilOpen(payments);
    assert.equal((await world.chain.paidOf(world.operator, first.account)).paid, 6n * aic);
    await requireBooks(world, old);
    await stop();
  });

  test('killed before and after each write of a correction, the next relay goes on with it', async () => {
    const before = await world.relay(ledger);
    await work(before.payments, '1', [[first, 2n * aic]]);
    const old = ledger.copy();
    await work(before.payments, '2', [[first, 3n * aic]]);
    const credit = (await ledger.read(keys.credit(first.account)))!;
    await before.stop();
    const cancelled = await world.relay(old);
    await cancelled.payments.closeEpoch();
    await challenge(cancelled.payments, credit, 1);
    await cancelled.stop();
    const points = new CrashPoints(world, () => null, old);
    const correcting = await world.relay(points.ledger);
    assert.equal((await correcting.payments.advance()).state, 'pending');
    await correcting.stop();
    const walked = await points.walk(false, async (point) => {
      const next = await world.relay(point.ledger);
      assert.equal((await next.payments.advance()).state, 'pending');
      const { root } = await pendingTree(next.payments, 1);
      assert.equal((await world.chain.pendingOf(world.operator)).root, root);
      assert.equal((await pendingTree(next.payments, 1)).proofOf(first.account).leaf.cumulative, 5n * aic);
      await next.stop();
      await requireBooks(world, point.ledger);
    });
    assert.ok(walked > 5);
  });

  test('the operator’s own cancel is followed by the same root again', async () => {
    const { payments, stop } = await world.relay(ledger);
    await work(payments, '1', [[first, 2n * aic]]);
    await payments.closeEpoch();
    const { root } = await pendingTree(payments, 1);
    const { data } = callBody('payroll', 'cancel', [world.operator]);
    await world.send(world.network.relayChain.key, world.chain.addresses.payroll, data);
    assert.equal((await payments.advance()).state, 'pending');
    assert.equal((await world.chain.pendingOf(world.operator)).root, root);
    await untilOpen(payments);
    assert.equal(await world.chain.aicOf(first.payout), 2n * aic);
    await requireBooks(world, ledger);
    await stop();
  });

  test('a verdict takes from what a pending root adds: payer refunded, the rest burnt, books and chain alike at every moment', async () => {
    const { payments, stop } = await world.relay(ledger);
    const court = (data: Hex) => world.send(world.network.dev, world.chain.addresses.payroll, data);
    await work(payments, '1', [[first, 2n * aic]]);
    assert.equal(await payments.atRisk(first.account), 0n);
    await payments.closeEpoch();
    await untilOpen(payments);
    await work(payments, '2', [
      [first, 5n * aic],
      [second, aic],
    ]);
    await payments.closeEpoch();
    assert.equal(await payments.atRisk(first.account), 5n * aic);
    const order = { account: first.account, amount: 3n * aic, payer: world.payer, refund: 2n * aic, verdict };
    await assert.rejects(payments.forfeitCall({ ...order, amount: 6n * aic }), { code: 'bad_request', message: /Only 5\d* wei/ });
    await assert.rejects(payments.forfeitCall({ ...order, refund: 4n * aic }), { code: 'bad_request' });
    // The relay's key is not the court here.
    await assert.rejects(payments.forfeit(order), { message: /NotCourt/ });
    const refunded = await world.chain.balanceOf(world.payer);
    await court((await payments.forfeitCall(order)).data);
    assert.equal((await world.chain.balanceOf(world.payer)) - refunded, 2n * aic);
    await requireBooks(world, ledger);
    await payments.catchUp();
    await requireBooks(world, ledger);
    assert.equal(await ledger.balance(`forfeited:${first.account}`), 3n * aic);
    const entry = await ledger.entry((await ledger.read(keys.verdict(verdict, first.account)))!);
    const { payer, refund, epoch } = entry!.evidence;
    assert.deepEqual([entry!.kind, payer, refund, epoch], ['forfeit', world.payer, `${2n * aic}`, 2]);
    assert.equal(await payments.atRisk(first.account), 2n * aic);
    await untilOpen(payments);
    // What no root gave for good before the verdict is gone; everything else is paid.
    assert.equal(await world.chain.aicOf(first.payout), 4n * aic);
    assert.equal(await world.chain.aicOf(second.payout), aic);
    assert.equal(await payments.atRisk(first.account), 0n);
    await requireBooks(world, ledger);
    await work(payments, '3', [[first, aic]]);
    await payments.closeEpoch();
    await untilOpen(payments);
    assert.equal(await world.chain.aicOf(first.payout), 5n * aic);
    await requireBooks(world, ledger);
    await stop();
  });

  test('a first epoch from which everything was forfeited, and whose root was then cancelled, still comes out even', async () => {
    const { payments, stop } = await world.relay(ledger);
    await work(payments, '1', [
      [first, 2n * aic],
      [second, aic],
    ]);
    await payments.closeEpoch();
    const order = { account: first.account, amount: 2n * aic, payer: null, refund: 0n, verdict };
    await world.send(world.network.dev, world.chain.addresses.payroll, (await payments.forfeitCall(order)).data);
    const cancel = callBody('payroll', 'cancel', [world.operator]);
    await world.send(world.network.relayChain.key, world.chain.addresses.payroll, cancel.data);
    await requireBooks(world, ledger);
    assert.equal((await payments.advance()).state, 'pending');
    await requireBooks(world, ledger);
    await untilOpen(payments);
    assert.deepEqual(await world.chain.paidOf(world.operator, first.account), { paid: 0n, forfeited: 2n * aic });
    assert.equal(await world.chain.aicOf(second.payout), aic);
    assert.equal(await ledger.balance(`payroll:${first.account}`), 0n);
    await requireBooks(world, ledger);
    await stop();
  });
});
