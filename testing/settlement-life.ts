/** The life of a relay from answers to payouts, in steps, and what has to be true after it, whatever went wrong on the way. */
import assert from 'node:assert/strict';
import type { Ledger } from '../relay/ledger/ledger.ts';
import { checkBooks } from '../relay/payments/check-books.ts';
import { keys } from '../relay/payments/facts.ts';
import type { RelayPayments } from '../relay/payments/relay-payments.ts';
import { VoucherPayer } from '../sdk/paying/voucher-payer.ts';
import type { PaymentMessage } from '../shared/protocol/payment-types.ts';
import type { Address } from '../shared/receipts/hex.ts';
import { type Share, sharePrice } from '../shared/receipts/price.ts';
import { addressOf, aic, type MoneyWorld, type WorldHop, worldModel } from './money-world.ts';

/** A step is taken again until it is through; but an answer whose relay died is lost to its asker. */
export interface LifeStep {
  isAnswer: boolean;
  run: (payments: RelayPayments) => Promise<unknown>;
}

export interface Heard {
  /** Largest credit each hop has received. */
  credits: Map<Address, bigint>;
}

function owedOf(amounts: ReadonlyMap<Address, bigint>, shares: readonly Share[]): Map<Address, bigint> {
  const compute = [...amounts.values()].reduce((sum, amount) => sum + amount, 0n);
  return new Map([...amounts, ...shares.map(({ account, basisPoints }) => [account, sharePrice(compute, basisPoints)] as const)]);
}

/** One answer over these hops: promised in two batches, of which each hop signs for `done`; null leaves without a word. */
export async function answer(
  world: MoneyWorld,
  payments: RelayPayments,
  session: string,
  secret: `0x${string}`,
  hops: { hop: WorldHop; promised: bigint; done: bigint | null }[],
  heard: Heard,
): Promise<bigint> {
  const party = { payer: world.payer, sessionKey: addressOf(secret), spendLimit: null };
  const reservation = await payments.reserve(party, { model: worldModel, bound: 20n * aic });
  const shares = await payments.shares(worldModel);
  for (const part of [2n, 1n]) {
    const owed = owedOf(new Map(hops.map(({ hop, promised }) => [hop.account, promised / part])), shares);
    for (const payment of (await reservation.payer.pay(session, owed)).values()) hear(heard, payment);
  }
  const signed = hops.filter(({ done }) => done !== null);
  const receipts = await Promise.all(signed.map(({ hop, done }) => world.receipt(hop, session, done!)));
  const earned = owedOf(
    new Map(signed.map(({ hop, done }) => [hop.account, done!])),
    hops.length === signed.length ? shares : [],
  );
  await reservation.payer.end(session, receipts, earned);
  return (await reservation.settle()).price.total;
}

function hear({ credits }: Heard, payment: PaymentMessage): void {
  if (payment.kind !== 'credit') return;
  const account = payment.credit.account as Address;
  const known = credits.get(account) ?? 0n;
  if (payment.credit.cumulative > known) credits.set(account, payment.credit.cumulative);
}

const session = (digit: string) => digit.repeat(32);

/** Vouchers of an asker who pays by itself, and what its hops hand in. */
export async function directEarnings(world: MoneyWorld, payments: RelayPayments) {
  const payer = new VoucherPayer({ sessionKey: world.askerKey, payer: world.payer, place: world.chain.place, cap: 100n * aic });
  const [first, second] = world.hops as [WorldHop, WorldHop];
  const shares = await payments.shares(worldModel);
  const owed = owedOf(
    new Map([
      [first.account, 2n * aic],
      [second.account, 3n * aic],
    ]),
    shares,
  );
  const payment = (await payer.pay(session('d'), owed)).get(first.account)!;
  return [
    { session: session('d'), payment, receipt: await world.receipt(first, session('d'), 2n * aic) },
    { session: session('d'), payment, receipt: await world.receipt(second, session('d'), 3n * aic - 7n) },
  ];
}

export async function requireBooks(world: MoneyWorld, ledger: Ledger): Promise<void> {
  const report = await checkBooks(ledger, world.chain, world.operator);
  const wrong = report.comparisons.filter(({ left, right }) => left[1] !== right[1]);
  assert.deepEqual({ wrong, faults: report.faults, difference: report.difference }, { wrong: [], faults: [], difference: 0n });
}

/** The life of a relay, in steps; a step is taken again until it is through, but an answer that was interrupted is lost. */
export function lifeSteps(world: MoneyWorld, heard: Heard): LifeStep[] {
  const [first, second, third] = world.hops as [WorldHop, WorldHop, WorldHop];
  const [keyA, keyB] = world.sessionKeys as [`0x${string}`, `0x${string}`];
  const closeAndPay = async (payments: RelayPayments) => {
    await payments.closeEpoch();
    do await world.pass(30);
    while ((await payments.advance()).state !== 'open');
  };
  let direct: Awaited<ReturnType<typeof directEarnings>>;
  return [
    {
      isAnswer: true,
      run: (payments) =>
        answer(
          world,
          payments,
          session('1'),
          keyA,
          [
            { hop: first, promised: 3n * aic, done: 2n * aic + 1n },
            { hop: third, promised: aic, done: aic - 3n },
          ],
          heard,
        ),
    },
    {
      isAnswer: true,
      run: (payments) =>
        answer(
          world,
          payments,
          session('2'),
          keyB,
          [
            { hop: first, promised: aic, done: 11n },
            { hop: second, promised: 2n * aic, done: null },
          ],
          heard,
        ),
    },
    {
      isAnswer: false,
      run: async (payments) => {
        direct ??= await directEarnings(world, payments);
        for (const message of direct) await payments.earned(message);
      },
    },
    { isAnswer: false, run: closeAndPay },
    {
      isAnswer: true,
      run: (payments) => answer(world, payments, session('3'), keyA, [{ hop: second, promised: aic, done: aic }], heard),
    },
    { isAnswer: false, run: closeAndPay },
  ];
}

/** Nothing lost, nothing paid twice. */
export async function requireSettled(world: MoneyWorld, ledger: Ledger, { credits }: Heard): Promise<void> {
  const { chain, operator } = world;
  await requireBooks(world, ledger);
  const payroll = await ledger.balances('paid:');
  for (const { account, payout } of world.hops.slice(0, 2)) {
    const { paid } = await chain.paidOf(operator, account);
    const { paidOut } = await chain.channelOf(world.payer, addressOf(world.askerKey), account);
    assert.equal(await chain.aicOf(payout), paid + paidOut);
    assert.equal(payroll.get(`paid:${account}`) ?? 0n, paid + paidOut);
    assert.ok(paid >= (credits.get(account) ?? 0n), `${account} was promised ${credits.get(account)}, and got ${paid}`);
    const credit = await ledger.read(keys.credit(account));
    // What it was promised is all there was to pay: not a wei twice.
    assert.equal(paid, credit ? BigInt(JSON.parse(credit).cumulative) : 0n);
  }
  const third = world.hops[2]!.account;
  assert.equal((await ledger.balance(`payroll:${third}`)) >= (credits.get(third) ?? 0n), true);
  assert.equal((await chain.channelOf(world.payer, addressOf(world.askerKey), world.hops[0]!.account)).claimed, 2n * aic);
  assert.deepEqual([...(await ledger.balances('payer:'))], []);
  assert.deepEqual(await ledger.openIntents(), []);
}

/** True while something is owed that could be paid, or a transaction is under way: the relay's next ticks are for it. */
export async function isAnythingLeft(world: MoneyWorld, ledger: Ledger): Promise<boolean> {
  const owed = new Map([...(await ledger.balances('payroll:')), ...(await ledger.balances('direct:'))]);
  const isOwed = world.hops.slice(0, 2).some(({ account }) => owed.has(`payroll:${account}`) || owed.has(`direct:${account}`));
  return isOwed || (await ledger.openIntents()).length > 0;
}
