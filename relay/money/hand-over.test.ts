import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { encodeFunctionData } from 'viem';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { addressOf, aic, MoneyWorld, worldModel } from '../../testing/money-world.ts';
import { sendAndWait } from '../chain/send-and-wait.ts';
import { checkBooks } from '../payments/check-books.ts';
import type { RelayPayments } from '../payments/relay-payments.ts';
import { type HandOver, handOver } from './hand-over.ts';

describe('a relay whose hot key changes', { skip: skipWithoutAnvil }, () => {
  let world: MoneyWorld;
  before(async () => {
    world = await MoneyWorld.open();
  });
  after(() => world?.network.close());

  const lower = ({ address }: PrivateKeyAccount) => address.toLowerCase() as Address;
  const newKey = () => privateKeyToAccount(generatePrivateKey());

  function change(parts: Pick<HandOver, 'old' | 'next' | 'operator'> & Partial<HandOver>): Promise<void> {
    const { client, chain } = world;
    return handOver({ client, chain, pollMs: 5, signal: AbortSignal.timeout(60_000), onProgress: () => undefined, ...parts });
  }

  async function answer(payments: RelayPayments, session: string, key: Hex, amount: bigint): Promise<void> {
    const [hop] = world.hops;
    const party = { payer: world.payer, sessionKey: addressOf(key), spendLimit: null };
    const reservation = await payments.reserve(party, { model: worldModel, bound: 20n * aic });
    const shares = await payments.shares(worldModel);
    const owed = new Map([
      [hop!.account, amount],
      ...shares.map(({ account, basisPoints }) => [account, (amount * BigInt(basisPoints)) / 10_000n] as const),
    ]);
    await reservation.payer.pay(session, owed);
    await reservation.payer.end(session, [await world.receipt(hop!, session, amount)], owed);
    await reservation.settle();
  }

  async function closeEpoch(payments: RelayPayments): Promise<void> {
    await payments.closeEpoch();
    await world.pass(30);
    assert.equal((await payments.advance()).state, 'open');
  }

  test('the new key goes on with the old one’s payroll: collects, funds, publishes, pays; the books check', async () => {
    const { chain, operator, hops, network } = world;
    const old = network.relayChain.key;
    const next = newKey();
    const ledger = new MemoryLedger();
    const first = await world.relay(ledger);
    await answer(first.payments, '1'.repeat(32), world.sessionKeys[0]!, 5n * aic);
    await closeEpoch(first.payments);
    // Charged and not collected when the key changes.
    await answer(first.payments, '2'.repeat(32), world.sessionKeys[1]!, 3n * aic);
    await first.stop();

    const before = await chain.aicOf(operator);
    await change({ old, next, operator });
    assert.equal(await chain.publisherOf(operator), lower(next));
    assert.equal(await chain.payoutOf(operator), lower(next));
    assert.deepEqual([await chain.aicOf(operator), await chain.aicOf(lower(next))], [0n, before]);
    assert.ok((await chain.coinsOf(lower(next))) > 90n * (await chain.coinsOf(operator)));
    await change({ old, next, operator });

    const second = await world.relay(ledger, {}, next);
    assert.deepEqual([second.payments.terms.operator, second.payments.terms.publisher], [operator, lower(next)]);
    await answer(second.payments, '3'.repeat(32), world.sessionKeys[0]!, 2n * aic);
    await closeEpoch(second.payments);
    assert.equal((await chain.currentOf(operator)).epoch, 2);
    assert.equal(await chain.aicOf(hops[0]!.payout), 10n * aic);
    // What payers owed came to the new key: 5 % of it are the network's share.
    assert.equal(await chain.aicOf(lower(next)), before + ((3n + 2n) * aic * 105n) / 100n);
    const report = await checkBooks(ledger, chain, operator);
    const wrong = report.comparisons.filter(({ left, right }) => left[1] !== right[1]);
    assert.deepEqual({ wrong, faults: report.faults }, { wrong: [], faults: [] });
    await second.stop();
  });

  test('an operator with a key of its own has to agree: until then nothing moves, and then it goes on', async () => {
    const { chain, client, network } = world;
    const [operator, old, next] = [newKey(), newKey(), newKey()];
    for (const key of [operator, old]) await network.relayChain.faucet!.give(lower(key));
    const asOperator = async (data: Hex) =>
      sendAndWait(client, operator, { chainId: chain.place.chainId, to: chain.addresses.payroll, data }, { pollMs: 5 });
    const name = (publisher: Address) => encodeFunctionData({ abi: payrollAbi, functionName: 'setPublisher', args: [publisher] });
    await asOperator(name(lower(old)));
    const coins = await chain.coinsOf(lower(old));
    await assert.rejects(change({ old, next, operator: lower(operator) }), (error: Error) => {
      assert.match(error.message, /has to name the new key/);
      assert.ok(error.message.includes(name(lower(next))));
      return true;
    });
    assert.equal(await chain.coinsOf(lower(old)), coins);
    await asOperator(name(lower(next)));
    await change({ old, next, operator: lower(operator) });
    assert.equal(await chain.aicOf(lower(next)), 1_000n * aic);

    const third = newKey();
    await change({ old: next, next: third, operator: lower(operator), operatorKey: operator });
    assert.equal(await chain.publisherOf(lower(operator)), lower(third));
    assert.equal(await chain.payoutOf(lower(old)), lower(next));
    assert.equal(await chain.payoutOf(lower(next)), lower(third));
  });
});
