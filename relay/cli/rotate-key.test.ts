/** `vessel chain rotate-key` as a process that is killed after each of its steps. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAbi } from 'viem';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { callBody } from '../chain/contract-calls.ts';
import { readDeployment } from '../chain/deploy.ts';
import { openHotKey, readHotKey } from '../chain/hot-key.ts';
import { LocalChain, setCoins } from '../chain/local-chain.ts';
import { openClient, ViemChain } from '../chain/viem-chain.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { FileStore } from '../storage/file-store.ts';
import { openDataFolder } from './data-folder.ts';
import { main } from './main.ts';
import { openRemoteChain } from './remote-chain.ts';

const aic = 10n ** 18n;
const program = join(import.meta.dirname, '../../bin/vessel.mjs');

describe('vessel chain rotate-key', { skip: skipWithoutAnvil }, () => {
  let folder: string;
  let home: string;
  let node: LocalChain;
  const vessel = async (...args: string[]) => {
    const io = new RecordedIo({ VESSEL_HOME: home });
    return { code: await main(args, io), out: io.out, err: io.err };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vessel-rotate-'));
    home = join(folder, 'home');
    await openDataFolder(home);
    node = await LocalChain.start(join(folder, 'node'));
    await setCoins(node.url, (await openHotKey(join(home, 'relay/hot-key'))).address, 10n ** 19n);
    const { code, err } = await vessel('chain', 'deploy', '--network', node.url, '--confirmations', '1', '--supply', '7');
    assert.equal(code, 0, err);
  });
  after(async () => {
    await node?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs the command and kills it when it has said `steps` things; resolves to its exit code, null when it was killed. */
  function runUntil(steps: number): Promise<number | null> {
    const child = spawn(process.execPath, [program, 'chain', 'rotate-key', '--network', node.url, '--confirmations', '1'], {
      env: { ...process.env, VESSEL_HOME: home },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = 0;
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString().split('\n').length - 1;
      if (said >= steps) child.kill('SIGKILL');
    });
    return new Promise((resolve) => child.once('close', (code) => resolve(code)));
  }

  test('killed after any of its steps it goes on at the next, and in the end the new key is and has what the old one was and had', async () => {
    const client = openClient(node.url);
    const deployment = (await readDeployment(new FileStore(join(home, `chains/${await client.getChainId()}.json`))))!;
    const chain = new ViemChain(client, deployment);
    const old = (await readHotKey(join(home, 'relay/hot-key')))!.address.toLowerCase() as `0x${string}`;
    const ledger = await openLedger(join(home, 'relay'), undefined);
    await ledger.plan({
      id: 'fund:1:0',
      kind: 'fund',
      body: callBody('aic', 'transferAndCall', [chain.addresses.payroll, aic, old]),
    });
    await ledger.close();
    assert.equal((await vessel('chain', 'rotate-key')).code, 2);

    let isOver = false;
    let kills = 0;
    for (let steps = 1; !isOver; steps++) {
      const code = await runUntil(steps);
      if (code !== 0) kills += 1;
      const now = (await readHotKey(join(home, 'relay/hot-key')))!.address.toLowerCase();
      const next = await readHotKey(join(home, 'relay/hot-key.next'));
      // A process that is killed between its last step and its end has done all of it: once more would be another rotation.
      isOver = code === 0 || (now !== old && next === null);
      if (!isOver) assert.ok(now === old || next === null || now === next.address.toLowerCase());
      const held = await Promise.all([chain.aicOf(old), next && chain.aicOf(next.address), chain.fundedOf(old)]);
      if (next)
        assert.equal(
          held.reduce<bigint>((sum, part) => sum + (part ?? 0n), 0n),
          7n * aic,
        );
      assert.ok(steps < 30, 'it never comes to an end');
    }
    // How many steps a kill still finds depends on how fast it arrives.
    assert.ok(kills >= 3, `${kills} kills`);

    const fresh = (await readHotKey(join(home, 'relay/hot-key')))!.address.toLowerCase() as `0x${string}`;
    assert.notEqual(fresh, old);
    assert.equal(existsSync(join(home, 'relay/hot-key.next')), false);
    assert.equal((await readHotKey(join(home, `relay/hot-key.${old}`)))!.address.toLowerCase(), old);
    assert.equal((await readFile(join(home, 'relay/operator'), 'utf8')).trim(), old);
    assert.equal(await chain.publisherOf(old), fresh);
    assert.equal(await chain.payoutOf(old), fresh);
    assert.equal(await chain.network(), fresh);
    assert.deepEqual([await chain.aicOf(old), await chain.aicOf(fresh), await chain.fundedOf(old)], [0n, 6n * aic, aic]);
    assert.ok((await chain.coinsOf(fresh)) > 9n * aic);
    const abi = parseAbi(['function owner() view returns (address)']);
    for (const address of [chain.addresses.aic, chain.addresses.registry])
      assert.equal((await client.readContract({ address, abi, functionName: 'owner' })).toLowerCase(), fresh);

    const data = await openDataFolder(home);
    const opened = await openRemoteChain(data, { rpcUrl: node.url, confirmations: 1 }, new RecordedIo({}));
    assert.deepEqual([opened.operator, opened.key.address.toLowerCase()], [old, fresh]);
    const { out } = await vessel('chain', 'status', '--network', node.url);
    assert.match(out, new RegExp(`operator  ${old}`));
  });

  test('a relay does not start in the middle of it', async () => {
    const data = await openDataFolder(home);
    await mkdir(data.relay, { recursive: true });
    await writeFile(join(data.relay, 'hot-key.next'), `0x${'1'.repeat(64)}\n`);
    await assert.rejects(
      openRemoteChain(data, { rpcUrl: node.url, confirmations: 1 }, new RecordedIo({})),
      /run vessel chain rotate-key again/,
    );
  });
});
