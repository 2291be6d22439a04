import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { sharePrice } from '../../shared/receipts/price.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { CrashPoints } from '../../testing/crash-points.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { addressOf, aic, MoneyWorld } from '../../testing/money-world.ts';
import { type Heard, isAnythingLeft, lifeSteps, requireSettled } from '../../testing/settlement-life.ts';
import type { Ledger } from '../ledger/ledger.ts';

const skip = skipWithoutAnvil;
/** The long tier walks also the places that are the same as their neighbours. */
const isFull = process.env.VESSEL_SOAK === '1';
let world: MoneyWorld;
before(async () => {
  if (!skip) world = await MoneyWorld.open();
});
after(() => world?.close());

interface Progress {
  next: number;
  heard: Heard;
}

/** From `progress` to the end, by a relay that starts now. */
async function live(ledger: Ledger, progress: Progress): Promise<void> {
  const { payments, stop } = await world.relay(ledger);
  const steps = lifeSteps(world, progress.heard);
  for (; progress.next < steps.length; progress.next += 1) await steps[progress.next]!.run(payments);
  // An intent that somebody else's transaction has overtaken ends in the background.
  for (let tick = 0; tick < 200 && (await isAnythingLeft(world, ledger)); tick += 1) {
    await payments.advance();
    await pause(10);
  }
  await stop();
}

const beginning = (): Progress => ({ next: 0, heard: { credits: new Map() } });
const copyOf = ({ next, heard }: Progress): Progress => ({ next, heard: { credits: new Map(heard.credits) } });

test('from answers to payouts, over two epochs and with vouchers of others, to the wei', { skip }, async () => {
  await world.restart();
  const ledger = new MemoryLedger();
  const progress = beginning();
  await live(ledger, progress);
  await requireSettled(world, ledger, progress.heard);
  // The payer paid for what was signed, with the network's 5 % rounded down, and for nothing else.
  const compute = [3n * aic - 2n, 11n, aic];
  const price = compute.map((amount) => amount + sharePrice(amount, 500)).reduce((sum, amount) => sum + amount, 0n);
  let collected = 0n;
  for (const secret of world.sessionKeys)
    collected += (await world.chain.channelOf(world.payer, addressOf(secret), world.operator)).paidOut;
  assert.equal(collected, price);
});

test('killed before and after each of its writes, the relay loses nothing and pays nothing twice', { skip }, async (t) => {
  await world.restart();
  const progress = beginning();
  const points = new CrashPoints(world, () => copyOf(progress));
  await live(points.ledger, progress);
  const walked = await points.walk(isFull, async ({ ledger, progress: { next, heard } }) => {
    const isAnswerLost = lifeSteps(world, heard)[next]?.isAnswer ?? false;
    await live(ledger, { next: isAnswerLost ? next + 1 : next, heard });
    await requireSettled(world, ledger, heard);
  });
  t.diagnostic(`${points.writes} writes, gone on from ${walked} places between them`);
  assert.ok(walked > points.writes);
});
