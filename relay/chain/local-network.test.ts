import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { callNode, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { MemoryStore } from '../../testing/memory-store.ts';
import { isProcessAlive } from '../files/process-alive.ts';
import { type DeploySettings, deployContracts } from './deploy.ts';
import { findAnvil } from './find-anvil.ts';
import { findLocalChain, LocalChain, setCoins } from './local-chain.ts';
import { openLocalNetwork } from './local-network.ts';
import { openClient } from './viem-chain.ts';

async function newFolders(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-chain-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return { folder, chain: join(folder, 'chain'), addresses: join(folder, 'chains/31337.json'), hotKey: join(folder, 'hot-key') };
}

test('the local chain survives restarts, the third start too: blocks, events, balances and addresses', {
  skip: skipWithoutAnvil,
}, async (t) => {
  const folders = await newFolders(t);
  const first = await openLocalNetwork(folders);
  const { chain } = first.relayChain;
  const account = '0x00000000000000000000000000000000000000aa';
  await first.relayChain.faucet!.give(account);
  const before = await chain.events(0n);
  await first.close();
  assert.equal(await findLocalChain(folders.chain), null);
  await (await openLocalNetwork(folders)).close();
  const second = await openLocalNetwork(folders);
  t.after(() => second.close());
  const again = second.relayChain.chain;
  assert.deepEqual(again.addresses, chain.addresses);
  assert.deepEqual([await again.aicOf(account), await again.coinsOf(account)], [1_000n * 10n ** 18n, 10n ** 18n]);
  assert.deepEqual(await again.events(0n), before);
  assert.deepEqual(
    [await again.fundedOf(second.relayChain.operator), second.relayChain.rpcUrl],
    [1_000_000n * 10n ** 18n, first.relayChain.rpcUrl],
  );
});

test('keys are files that only their owner reads', { skip: skipWithoutAnvil }, async (t) => {
  const folders = await newFolders(t);
  const network = await openLocalNetwork(folders);
  await network.close();
  for (const path of [folders.hotKey, join(folders.chain, 'dev-key'), join(folders.chain, 'demo-payer-key')]) {
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  }
});

test('a chain left behind by a start that was killed is ended by the next, and goes on where it was', {
  skip: skipWithoutAnvil,
}, async (t) => {
  const { chain: folder } = await newFolders(t);
  const orphan = await LocalChain.start(folder);
  t.after(() => orphan.close());
  await callNode(orphan.url, 'anvil_mine', ['0x7']);
  const { pid } = JSON.parse(await readFile(join(folder, 'process.json'), 'utf8')) as { pid: number };
  const next = await LocalChain.start(folder);
  t.after(() => next.close());
  assert.equal(isProcessAlive(pid), false);
  assert.equal(await callNode(next.url, 'eth_blockNumber'), '0x7');
});

test('a damaged state file does not stop the chain: it goes on from what the start before found', {
  skip: skipWithoutAnvil,
}, async (t) => {
  const { chain: folder } = await newFolders(t);
  const runs = [3, 4];
  for (const blocks of runs) {
    const chain = await LocalChain.start(folder);
    await callNode(chain.url, 'anvil_mine', [`0x${blocks}`]);
    await chain.close();
  }
  await writeFile(join(folder, 'state.json'), '{"block": {"numb');
  const chain = await LocalChain.start(folder);
  t.after(() => chain.close());
  assert.equal(await callNode(chain.url, 'eth_blockNumber'), '0x3');
});

test('a platform without the program is told what to do', async (t) => {
  const { chain: folder } = await newFolders(t);
  assert.equal(findAnvil('sunos', 'mips'), null);
  await assert.rejects(LocalChain.start(folder, { program: null }), { code: 'chain_unavailable', message: /--no-chain/ });
});

test('a deployment interrupted anywhere goes on, and makes each contract once', { skip: skipWithoutAnvil }, async (t) => {
  const { chain: folder } = await newFolders(t);
  const local = await LocalChain.start(folder);
  t.after(() => local.close());
  const client = openClient(local.url);
  for (let deadAt = 1; ; deadAt += 1) {
    const key = privateKeyToAccount(generatePrivateKey());
    await setCoins(local.url, key.address, 10n ** 20n);
    const settings: DeploySettings = {
      owner: key.address,
      initialSupply: 5n,
      court: key.address,
      networkAccount: key.address,
      networkFee: 100,
      claimWindow: 60,
      payrollWindow: 60,
    };
    const store = new MemoryStore();
    let touches = 0;
    const touch = () => {
      touches += 1;
      if (touches >= deadAt) throw new Error('killed');
    };
    const dying = {
      read: () => store.read(),
      // Before the journal is written, and after: the transaction of the write before is out by then, that of this one is not.
      write: async (text: string) => {
        touch();
        await store.write(text);
        touch();
      },
    };
    const whole = await deployContracts(client, key, settings, dying, { pollMs: 10 }).catch((error: Error) => {
      assert.equal(error.message, 'killed');
      return null;
    });
    const resumed = await deployContracts(client, key, settings, store, { pollMs: 10 });
    assert.equal(await client.getTransactionCount({ address: key.address }), 6, `killed at ${deadAt}`);
    if (whole === null) continue;
    assert.deepEqual(resumed, whole);
    assert.equal(deadAt, 15, 'seven writes, each with a before and an after');
    return;
  }
});
