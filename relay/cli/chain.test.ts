/** `vessel chain` on a node given by its address, as on a real chain. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { openHotKey } from '../chain/hot-key.ts';
import { LocalChain, setCoins } from '../chain/local-chain.ts';
import { main } from './main.ts';

describe('contracts on a chain', { skip: skipWithoutAnvil }, () => {
  let folder: string;
  let node: LocalChain;
  let keyFile: string;
  const vessel = async (...args: string[]) => {
    const io = new RecordedIo({ VESSEL_HOME: join(folder, 'home') });
    return { code: await main(['chain', ...args], io), out: io.out, err: io.err };
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vessel-chain-'));
    node = await LocalChain.start(join(folder, 'node'));
    keyFile = join(folder, 'deployer');
    await setCoins(node.url, (await openHotKey(keyFile)).address, 10n ** 19n);
  });
  after(async () => {
    await node?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('before a deployment, status says that there is none', async () => {
    const { code, out } = await vessel('status', '--network', node.url);
    assert.deepEqual([code, /no contracts here yet/.test(out)], [1, true]);
  });

  test('deploy writes the addresses down, and a second time changes nothing', async () => {
    const deploy = () => vessel('deploy', '--network', node.url, '--key-file', keyFile, '--confirmations', '1', '--supply', '7');
    const first = await deploy();
    assert.equal(first.code, 0, first.err);
    const { file, addresses } = JSON.parse(first.out) as { file: string; addresses: Record<string, string> };
    assert.equal(Object.keys(addresses).length, 6);
    const written = await readFile(file, 'utf8');
    assert.equal((await deploy()).out, first.out);
    assert.equal(await readFile(file, 'utf8'), written);
    const { code, out } = await vessel('status', '--network', node.url);
    assert.deepEqual([code, out.match(/as in this version/g)?.length], [0, 6]);
  });

  test('--verify submits the source of every contract with its constructor arguments', async (t) => {
    const asked: URLSearchParams[] = [];
    const explorer = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      asked.push(new URLSearchParams(body));
      response.end(JSON.stringify({ status: '0', result: 'Contract source code already verified' }));
    });
    await new Promise<void>((resolve) => explorer.listen(0, '127.0.0.1', resolve));
    t.after(() => explorer.close());
    const api = `http://127.0.0.1:${(explorer.address() as { port: number }).port}/api`;
    const { code, err } = await vessel('deploy', '--network', node.url, '--key-file', keyFile, '--verify', api);
    assert.equal(code, 0, err);
    assert.equal(asked.length, 6);
    const payroll = asked.find((form) => form.get('contractname') === 'contracts/src/Payroll.sol:Payroll')!;
    assert.equal(payroll.get('constructorArguements')!.length, 5 * 64);
    assert.ok(JSON.parse(payroll.get('sourceCode')!).sources['contracts/src/Payroll.sol']);
  });

  test('the faucet is for the local chain alone, and says so where it does not run', async () => {
    const { code, err } = await vessel('faucet', `0x${'aa'.repeat(20)}`);
    assert.equal(code, 1);
    assert.match(err, /The local chain does not run/);
  });

  test('a wrong call says what is wrong', async () => {
    for (const args of [
      [],
      ['mine'],
      ['faucet', 'me'],
      ['deploy', '--network', 'mainnet'],
      ['deploy', '--network', node.url, '--court', '0x1'],
    ]) {
      assert.equal((await vessel(...args)).code, 2, args.join(' '));
    }
    assert.equal((await vessel('status', '--network', 'http://127.0.0.1:9')).code, 1);
  });
});
