/** `vessel relay` with money, on a node given by its address, as on a real chain. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { openHotKey } from '../chain/hot-key.ts';
import { LocalChain, setCoins } from '../chain/local-chain.ts';
import { main } from './main.ts';
import { readPaymentOptions } from './payment-options.ts';

const aic = 10n ** 18n;
const chain = 'https://rpc.example';

test('prices and thresholds are read to the wei', () => {
  const settings = (values: object) => readPaymentOptions({ chain, ...values })!.settings;
  assert.deepEqual(settings({ 'prompt-price': '0.000000000001', 'output-price': '2' }).ask, {
    prompt: 1n,
    output: 2n * 10n ** 12n,
  });
  assert.equal(settings({ epoch: '60' }).epochMs, 3_600_000);
  assert.deepEqual(settings({ 'aic-per-coin': '2500.5', 'gas-share': '100' }), {
    ask: settings({}).ask,
    aicPerCoin: (25_005n * aic) / 10n,
    gasShare: 100,
  });
  const { minPayout, minClaim } = settings({ 'min-payout': '0.25' });
  assert.deepEqual([minPayout, minClaim], [aic / 4n, aic / 4n]);
  assert.deepEqual(readPaymentOptions({ chain, domain: ['Vessel.example', 'vessel.example:8443'] })!.domains, [
    'vessel.example',
    'vessel.example:8443',
  ]);
  assert.equal(readPaymentOptions({}), null);
});

test('what is no price, address, name or chain is refused with its option', () => {
  const wrong: [object, RegExp][] = [
    [{ 'output-price': '2' }, /--output-price means something with --chain only/],
    [{ chain: 'mainnet' }, /--chain/],
    [{ chain, 'output-price': '-1' }, /--output-price/],
    [{ chain, 'output-price': '0.0000000000001' }, /at most 12 decimals/],
    [{ chain, 'aic-per-coin': 'many' }, /--aic-per-coin/],
    [{ chain, 'gas-share': '0' }, /--gas-share/],
    [{ chain, epoch: '0' }, /--epoch/],
    [{ chain, operator: '0x12' }, /--operator/],
    [{ chain, confirmations: '0' }, /--confirmations/],
    [{ chain, domain: ['https://vessel.example'] }, /--domain/],
  ];
  for (const [values, words] of wrong) assert.throws(() => readPaymentOptions(values), words);
});

describe('a paid relay from the command line', { skip: skipWithoutAnvil }, () => {
  let folder: string;
  let node: LocalChain;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vessel-relay-'));
    node = await LocalChain.start(join(folder, 'node'));
  });
  after(async () => {
    await node?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('the commands of the guide bring it up on any node, with the operator’s own prices and name', async () => {
    const env = { VESSEL_HOME: join(folder, 'home') };
    const deployer = join(folder, 'deployer.key');
    await setCoins(node.url, (await openHotKey(deployer)).address, 10n * aic);
    const deploy = ['chain', 'deploy', '--network', node.url, '--key-file', deployer, '--confirmations', '1'];
    const deployed = new RecordedIo(env);
    assert.equal(await main(deploy, deployed), 0, deployed.err);
    const { addresses, file } = JSON.parse(deployed.out);

    const stop = new AbortController();
    const io = new RecordedIo(env, null, stop.signal);
    const options = ['--port', '0', '--no-default-model', '--chain', node.url, '--addresses', file, '--confirmations', '1'];
    const money = ['--domain', 'vessel.example', '--prompt-price', '0.5', '--output-price', '2', '--epoch', '60'];
    const ended = main(['relay', ...options, ...money], io);
    try {
      while (!io.out.includes('ready at'))
        await Promise.race([wait(50), ended.then((code) => assert.fail(`${code}: ${io.err}`))]);
      const url = /ready at (\S+), paid on chain/.exec(io.out)![1]!;
      assert.match(io.err, /hot key 0x[0-9a-fA-F]{40}, its own operator: 0 coins, 0 AIC\nit has no coins/);
      const { terms, local } = (await (await fetch(`${url}/v1/network/terms`)).json()) as {
        terms: { ask: object; ledger: string };
        local: boolean;
      };
      assert.deepEqual(
        [terms.ask, terms.ledger, local],
        [{ prompt: `${5n * 10n ** 11n}`, output: `${2n * 10n ** 12n}` }, addresses.ledger, false],
      );
      const { domains } = (await (await fetch(`${url}/v1/auth/nonce`, { method: 'POST' })).json()) as { domains: string[] };
      assert.equal(domains[0], 'vessel.example');
    } finally {
      stop.abort();
      await ended;
    }
  });
});
