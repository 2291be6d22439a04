import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeMoney, testLeaf } from '../../../testing/fake-money.ts';
import { testTerms } from '../../../testing/fake-payments.ts';
import { httpRelay } from '../../../testing/http-relay.ts';
import { RpcError } from '../money.ts';

async function relay(overrides?: Parameters<typeof fakeMoney>[0]) {
  const fake = await fakeMoney(overrides);
  return { ...fake, ...(await httpRelay({ deps: { money: fake.money } })) };
}

test('the terms are told, and that there are none in a free network', async () => {
  const { app, x402 } = await relay();
  const body = await (await app.request('/v1/network/terms')).json();
  assert.deepEqual(body.terms, { ...testTerms, ask: { prompt: '1', output: '2' } });
  assert.deepEqual([body.local, body.gate], [true, x402.gateAt!.address]);
  const free = await httpRelay();
  assert.deepEqual(await (await free.app.request('/v1/network/terms')).json(), { terms: null, local: false, gate: null });
  assert.equal((await free.app.request('/v1/keys')).status, 404);
});

test('epochs, leaves and earnings are there for anyone', async () => {
  const { app } = await relay();
  const get = async (path: string) => (await app.request(path)).json();
  const { data } = await get(`/v1/payroll/${testTerms.operator}/epochs`);
  assert.deepEqual([data[0].epoch, data[0].total, data[0].state], [1, '5', 'current']);
  assert.deepEqual((await get('/v1/payroll/epochs/1')).leaves, [{ ...testLeaf, cumulative: '5' }]);
  assert.equal((await app.request('/v1/payroll/epochs/2')).status, 404);
  assert.equal((await app.request('/v1/payroll/epochs/x')).status, 404);
  assert.equal((await app.request('/v1/payroll/0x12/epochs')).status, 400);
  assert.equal((await get(`/v1/accounts/${testLeaf.account.toUpperCase().replace('X', 'x')}/earnings`)).claimable, '5');
  assert.equal((await app.request('/v1/accounts/me/earnings')).status, 400);
});

const word = `0x${'1'.repeat(64)}`;
const order = {
  kind: 'set-payout',
  account: testLeaf.account,
  payout: testTerms.operator,
  deadline: '1900000000',
  by: 'device',
  signature: { x: word, y: word, r: word, s: word },
};

test('a signed order for the Accounts contract is brought to the chain, a few per minute', async () => {
  const { post, orders } = await relay();
  assert.equal((await post('/v1/accounts/payout', order)).status, 200);
  assert.deepEqual(orders[0], { ...order, deadline: 1_900_000_000n });
  for (const wrong of [
    { ...order, kind: 'x' },
    { ...order, deadline: '5' },
    { ...order, signature: {} },
    { ...order, extra: 1 },
  ]) {
    assert.equal((await post('/v1/accounts/payout', wrong)).status, 400);
  }
  await post('/v1/accounts/payout', order);
  assert.equal((await post('/v1/accounts/payout', order)).status, 429);
});

test('the faucet is there where the chain is local, and nowhere else', async () => {
  const { post, given } = await relay();
  assert.deepEqual(await (await post('/v1/faucet', { address: testLeaf.account })).json(), { coins: '1', aic: '1000' });
  assert.deepEqual(given, [testLeaf.account]);
  assert.equal((await post('/v1/faucet', { address: 'me' })).status, 400);
  const real = await relay({ overrides: { faucet: null } });
  assert.equal((await real.post('/v1/faucet', { address: testLeaf.account })).status, 404);
});

test('JSON-RPC is passed on by a list of methods, single and in batches', async () => {
  const { post, calls } = await relay();
  const call = (method: string, id = 1) => ({ jsonrpc: '2.0', id, method, params: [] });
  assert.deepEqual(await (await post('/v1/chain', call('eth_chainId'))).json(), { jsonrpc: '2.0', id: 1, result: '0x7a69' });
  const batch = await (
    await post('/v1/chain', [call('eth_blockNumber'), call('anvil_setBalance', 2), call('eth_sendTransaction', 3)])
  ).json();
  assert.deepEqual(
    batch.map(({ id, error }: { id: number; error?: { code: number } }) => [id, error?.code]),
    [
      [1, undefined],
      [2, -32601],
      [3, -32601],
    ],
  );
  assert.deepEqual(calls, ['eth_chainId', 'eth_blockNumber']);
  for (const body of ['{', '{}', '[]', JSON.stringify(Array.from({ length: 40 }, () => call('eth_chainId')))]) {
    assert.equal((await post('/v1/chain', body)).status, 400);
  }
});

test('what the node answers with an error is passed on, and the revert data with it', async () => {
  const rpc = {
    call: async () => {
      throw new RpcError(3, 'execution reverted', '0x1234');
    },
  };
  const { post } = await relay({ overrides: { rpc } });
  const body = await (await post('/v1/chain', { jsonrpc: '2.0', id: 'a', method: 'eth_call', params: [{}, 'latest'] })).json();
  assert.deepEqual(body, { jsonrpc: '2.0', id: 'a', error: { code: 3, message: 'execution reverted', data: '0x1234' } });
});
