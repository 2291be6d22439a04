/** Against a real node, with everything that can go wrong in between. Asked is always the same: sent once, never twice, never lost. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { DroppingProxy } from '../../testing/dropping-proxy.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import type { Intent, Ledger } from '../ledger/ledger.ts';
import { callBody } from './contract-calls.ts';
import { setCoins } from './local-chain.ts';
import { TransactionSender, type TransactionSenderParts } from './transaction-sender.ts';
import { openClient } from './viem-chain.ts';

const coin = 10n ** 18n;

describe('sending transactions', { skip: skipWithoutAnvil }, () => {
  let net: ChainUnderTest;
  let key: PrivateKeyAccount;
  let ledger: MemoryLedger;
  let nowMs = 0;
  /** Counts what arrived: every payment sends 1 wei of AIC here. */
  let till: Address;

  before(async () => {
    net = await openChainUnderTest();
  });
  after(() => net.close());
  beforeEach(async () => {
    await net.rpc('evm_setAutomine', [true]);
    key = privateKeyToAccount(generatePrivateKey());
    till = privateKeyToAccount(generatePrivateKey()).address.toLowerCase() as Address;
    ledger = new MemoryLedger();
    nowMs = 0;
    await setCoins(net.relayChain.rpcUrl, key.address, coin);
    await net.relayChain.faucet!.give(key.address);
  });

  const arrived = () => net.relayChain.chain.aicOf(till);
  const payment = (id: string, amount = 1n) => ({
    id,
    kind: 'payout' as const,
    body: callBody('aic', 'transfer', [till, amount]),
  });
  function newSender(change: Partial<TransactionSenderParts> = {}): TransactionSender {
    const { chain, rpcUrl } = net.relayChain;
    return new TransactionSender({
      client: openClient(rpcUrl),
      chainId: chain.place.chainId,
      addresses: chain.addresses,
      confirmations: 1,
      ledger,
      key,
      clock: { now: () => nowMs, after: () => () => undefined },
      ...change,
    });
  }
  const stateOf = async (id: string) => (await ledger.intent(id))!.state;
  const noncesUsed = async () => Number(await net.rpc<Hex>('eth_getTransactionCount', [key.address, 'latest']));

  test('what is planned is sent once and confirmed', async () => {
    const sender = newSender();
    await sender.send(payment('a'));
    await sender.send(payment('a'));
    await sender.send(payment('b', 2n));
    assert.equal(await stateOf('a'), 'planned');
    await sender.step();
    await sender.step();
    assert.deepEqual([await stateOf('a'), await stateOf('b'), await arrived()], ['confirmed', 'confirmed', 3n]);
    assert.equal((await sender.settled('a')).hashes.length, 1);
  });

  test('confirmed means: as many blocks as asked for', async () => {
    const sender = newSender({ confirmations: 3 });
    await sender.send(payment('a'));
    await sender.step();
    await sender.step();
    assert.equal(await stateOf('a'), 'sent');
    await net.rpc('anvil_mine', ['0x1']);
    await sender.step();
    assert.equal(await stateOf('a'), 'sent');
    await net.rpc('anvil_mine', ['0x1']);
    await sender.step();
    assert.equal(await stateOf('a'), 'confirmed');
  });

  test('what the contract refuses fails with its error and takes no nonce', async () => {
    const sender = newSender();
    await sender.send({
      id: 'r',
      kind: 'propose',
      body: callBody('payroll', 'propose', [key.address, `0x${'11'.repeat(32)}`, 1n, 1]),
    });
    await sender.send(payment('a'));
    await sender.step();
    await sender.step();
    const failed = await sender.settled('r');
    assert.deepEqual([failed.state, failed.error, failed.hashes], ['failed', 'Underfunded(0, 1)', []]);
    assert.deepEqual([await stateOf('a'), await noncesUsed()], ['confirmed', 1]);
  });

  test('what reverts in its block fails with the error it reverts with', async () => {
    const sender = newSender();
    const all = 1_000n * coin;
    await net.rpc('evm_setAutomine', [false]);
    await sender.send(payment('a', all));
    await sender.step();
    // Something else takes the money before the block is made.
    const other = await key.signTransaction({
      type: 'eip1559',
      chainId: net.relayChain.chain.place.chainId,
      to: net.relayChain.chain.addresses.aic,
      data: callBody('aic', 'transfer', [key.address, 0n]).data,
      nonce: 1,
      gas: 100_000n,
      maxFeePerGas: 10n ** 10n,
    });
    await net.rpc('eth_sendRawTransaction', [other]);
    const storage = await net.rpc<Hex>('anvil_dealERC20', [key.address, net.relayChain.chain.addresses.aic, '0x5']);
    assert.ok(storage !== undefined);
    await net.rpc('evm_mine');
    await sender.step();
    const failed = await sender.settled('a');
    assert.equal(failed.state, 'failed');
    assert.match(failed.error!, /ERC20InsufficientBalance/);
  });

  test('a node that is down loses nothing: the payment goes out when it is back', async (t) => {
    const proxy = await DroppingProxy.open(net.relayChain.rpcUrl);
    t.after(() => proxy.close());
    const sender = newSender({ client: openClient(proxy.url) });
    proxy.isDown = true;
    await sender.send(payment('a'));
    await assert.rejects(sender.step(), { code: 'chain_unavailable' });
    assert.equal(await stateOf('a'), 'planned');
    proxy.isDown = false;
    await sender.step();
    // Down in the very moment of the broadcast, once before the node hears it and once after.
    for (const [id, moment] of [
      ['b', 'before'],
      ['c', 'after'],
    ] as const) {
      await sender.send(payment(id));
      proxy.drop({ method: 'eth_sendRawTransaction', moment });
      await assert.rejects(sender.step(), { code: 'chain_unavailable' });
      proxy.drop(null);
      assert.equal(await stateOf(id), 'sent');
      nowMs += 60_000;
      await sender.step();
      await sender.step();
      assert.equal(await stateOf(id), 'confirmed');
    }
    assert.deepEqual([await arrived(), await noncesUsed()], [3n, 3]);
  });

  test('a dropped transaction is sent again with the same nonce and a higher fee', async () => {
    await net.rpc('evm_setAutomine', [false]);
    const sender = newSender();
    await sender.send(payment('a'));
    await sender.step();
    const [hash] = (await ledger.intent('a'))!.hashes;
    const first = await net.rpc<{ nonce: Hex; maxFeePerGas: Hex }>('eth_getTransactionByHash', [hash]);
    await net.rpc('anvil_dropTransaction', [hash]);
    await sender.step();
    assert.equal((await ledger.intent('a'))!.hashes.length, 1, 'a node may be late: patience first');
    nowMs += 10_000;
    await sender.step();
    const { hashes } = (await ledger.intent('a'))!;
    assert.equal(hashes.length, 2);
    const second = await net.rpc<{ nonce: Hex; maxFeePerGas: Hex }>('eth_getTransactionByHash', [hashes[1]]);
    assert.equal(second.nonce, first.nonce);
    assert.ok(BigInt(second.maxFeePerGas) * 10n > BigInt(first.maxFeePerGas) * 11n);
    await net.rpc('evm_mine');
    await sender.step();
    assert.deepEqual([await stateOf('a'), await arrived()], ['confirmed', 1n]);
  });

  test('a transaction stuck in the pool is replaced; only one of the two counts', async () => {
    await net.rpc('evm_setAutomine', [false]);
    const sender = newSender();
    await sender.send(payment('a'));
    await sender.step();
    nowMs += 60_000;
    await sender.step();
    assert.equal((await ledger.intent('a'))!.hashes.length, 2);
    await net.rpc('evm_mine');
    await net.rpc('evm_mine');
    await sender.step();
    assert.deepEqual([await stateOf('a'), await arrived(), await noncesUsed()], ['confirmed', 1n, 1]);
  });

  test('a block that is reorganised away is noticed, and its payment sent again', async () => {
    const sender = newSender({ confirmations: 3 });
    await sender.send(payment('a'));
    await sender.step();
    assert.equal(await arrived(), 1n);
    await net.rpc('anvil_mine', ['0x1']);
    await net.rpc('anvil_reorg', [2, []]);
    assert.equal(await arrived(), 0n);
    nowMs += 60_000;
    await sender.step();
    await net.rpc('anvil_mine', ['0x3']);
    await sender.step();
    assert.deepEqual([await stateOf('a'), await arrived(), await noncesUsed()], ['confirmed', 1n, 1]);
  });

  test('a nonce that somebody else used is given up, and the payment gets another', async () => {
    await net.rpc('evm_setAutomine', [false]);
    const sender = newSender();
    await sender.send(payment('a'));
    await sender.step();
    const [hash] = (await ledger.intent('a'))!.hashes;
    await net.rpc('anvil_dropTransaction', [hash]);
    const foreign = await key.signTransaction({
      type: 'eip1559',
      chainId: net.relayChain.chain.place.chainId,
      to: key.address,
      nonce: 0,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
    });
    await net.rpc('eth_sendRawTransaction', [foreign]);
    await net.rpc('evm_mine');
    await net.rpc('evm_setAutomine', [true]);
    await sender.step();
    assert.equal((await ledger.intent('a'))!.nonce, 0, 'the node that counts may be ahead of the one with the receipts');
    nowMs += 60_000;
    await sender.step();
    await sender.step();
    // A node that mines by itself does it in its own time.
    while ((await arrived()) === 0n) await delay(10);
    await sender.step();
    assert.deepEqual([await stateOf('a'), await arrived(), await noncesUsed()], ['confirmed', 1n, 2]);
  });

  test('killed between any two steps, the next start goes on: never twice, never lost', async () => {
    let kills = 0;
    for (let deadAt = 1; ; deadAt += 1) {
      const id = `walk-${deadAt}`;
      await ledger.plan(payment(id));
      const sender = newSender({ ledger: dyingLedger(ledger, deadAt) });
      const isKilled = await sender.step().then(
        () => false,
        (error: Error) => error.message === 'killed',
      );
      const next = newSender();
      await next.step();
      nowMs += 60_000;
      await next.step();
      assert.equal(await stateOf(id), 'confirmed', `killed at ${deadAt}`);
      assert.deepEqual([await arrived(), await noncesUsed()], [BigInt(deadAt), deadAt], `killed at ${deadAt}`);
      if (!isKilled) break;
      kills += 1;
    }
    // Reading what is open, writing "sent" and "confirmed", before and after each.
    assert.ok(kills >= 6, `${kills} places`);
  });

  test('killed while the node does not answer either, nothing is lost', async (t) => {
    const proxy = await DroppingProxy.open(net.relayChain.rpcUrl);
    t.after(() => proxy.close());
    await ledger.plan(payment('a'));
    proxy.drop({ method: 'eth_sendRawTransaction', moment: 'after' });
    await assert.rejects(newSender({ client: openClient(proxy.url) }).step());
    const next = newSender();
    await next.step();
    await next.step();
    assert.deepEqual([await stateOf('a'), await arrived(), await noncesUsed()], ['confirmed', 1n, 1]);
  });

  test('in the background it goes on by itself, and tells when it is done', async () => {
    const sender = newSender({
      pollMs: 20,
      clock: {
        now: () => performance.now(),
        after: (ms, action) => {
          const timer = setTimeout(action, ms);
          return () => clearTimeout(timer);
        },
      },
    });
    await sender.resume();
    await sender.send(payment('a'));
    const settled: Intent = await sender.settled('a', AbortSignal.timeout(30_000));
    assert.equal(settled.state, 'confirmed');
    await assert.rejects(sender.settled('nobody'), { code: 'not_found' });
    await sender.close();
  });
});

/** Throws at the n-th touch; odd ones before it takes effect, even ones after. */
function dyingLedger(ledger: Ledger, deadAt: number): TransactionSenderParts['ledger'] {
  let touches = 0;
  const touch = async <T>(act: () => Promise<T>): Promise<T> => {
    touches += 1;
    if (touches >= deadAt) throw new Error('killed');
    const result = await act();
    touches += 1;
    if (touches >= deadAt) throw new Error('killed');
    return result;
  };
  return {
    plan: (intent) => touch(() => ledger.plan(intent)),
    intent: (id) => touch(() => ledger.intent(id)),
    update: (id, change) => touch(() => ledger.update(id, change)),
    openIntents: () => touch(() => ledger.openIntents()),
  };
}
