import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { fakeMoney } from '../../../testing/fake-money.ts';
import { digitService } from '../../../testing/fake-services.ts';
import { httpRelay } from '../../../testing/http-relay.ts';
import { paidRelay } from '../../../testing/paid-relay.ts';

const chat = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }], max_tokens: 20 };
const party = { payer: `0x${'4'.repeat(40)}`, sessionKey: `0x${'5'.repeat(40)}`, spendLimit: null } as const;

test('an answer tells its price and receipt, and costs what was used', async () => {
  const { post, payments, bearer } = await paidRelay({ balance: 1000n });
  const { usage } = await (await post('/v1/chat/completions', chat, bearer)).json();
  const due = BigInt(usage.prompt_tokens) + 2n * BigInt(usage.completion_tokens);
  assert.equal(usage.price, due.toString());
  assert.match(usage.receipt, /^0x[0-9a-f]{64}$/);
  assert.equal(payments.open, 0);
  assert.equal(await payments.available(party), 1000n - due);
});

test('two choices are two reservations and one price', async () => {
  const { post, payments, bearer } = await paidRelay({ balance: 1000n });
  const { usage } = await (await post('/v1/chat/completions', { ...chat, n: 2 }, bearer)).json();
  assert.equal(payments.charged.length, 2);
  assert.equal(usage.price, payments.charged.reduce((sum, { total }) => sum + total, 0n).toString());
});

test('a stream tells the price in its last chunk, asked for usage or not', async () => {
  for (const include_usage of [true, false]) {
    const { post, bearer } = await paidRelay({ balance: 1000n });
    const response = await post(
      '/v1/completions',
      { model: 'bytes', prompt: 'x', max_tokens: 30, stream: true, stream_options: { include_usage } },
      bearer,
    );
    const chunks = (await response.text())
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => JSON.parse(event.slice(6)));
    const last = chunks.at(-1);
    const { price, receipt } = include_usage ? last.usage : last.vessel;
    assert.match(price, /^[1-9][0-9]*$/);
    assert.match(receipt, /^0x/);
    assert.equal(chunks.filter((chunk) => chunk.usage?.price ?? chunk.vessel?.price).length, 1);
  }
});

test('without a key: 402 in the shape of OpenAI with an offer, and nothing is asked of the network', async () => {
  const { post, asker, x402 } = await paidRelay();
  const response = await post('/v1/chat/completions', chat);
  assert.equal(response.status, 402);
  const { error, accepts } = await response.json();
  assert.deepEqual([error.code, error.type], ['payment_required', 'invalid_request_error']);
  assert.match(error.message, /up to 0\.\d+ AIC/);
  assert.equal(accepts[0].payTo, x402.gateAt!.address);
  const offer = JSON.parse(atob(response.headers.get('payment-required')!));
  assert.deepEqual([offer.x402Version, offer.accepts], [2, accepts]);
  assert.equal(asker.requests.length, 0);
});

test('a key without enough is told what is needed and what there is', async () => {
  const { post, bearer, asker } = await paidRelay({ balance: 7n });
  const response = await post('/v1/chat/completions', chat, bearer);
  assert.equal(response.status, 402);
  assert.match((await response.json()).error.message, /this key can spend 0\.000000000000000007 AIC/);
  assert.equal(asker.requests.length, 0);
});

test('a spend limit below the balance counts', async () => {
  const { post, relay, bearer, keyId } = await paidRelay({ balance: 1000n });
  await relay.keys.setPayment(keyId, { spendLimit: '5' });
  assert.equal((await post('/v1/chat/completions', chat, bearer)).status, 402);
});

test('a key of the command line is paid by the house, where there is one', async () => {
  for (const houseParty of [null, party]) {
    const { money, payments } = await fakeMoney({ houseParty });
    payments.give(party.payer, party.sessionKey, 1000n);
    const relay = await httpRelay({ deps: { money } });
    const { secret } = await relay.keys.create({ name: 'cli' });
    const response = await relay.post('/v1/chat/completions', chat, { headers: { authorization: `Bearer ${secret}` } });
    assert.equal(response.status, houseParty ? 200 : 402);
  }
});

test('what was computed before a failure is charged, and the rest is freed', async () => {
  const { post, payments, bearer } = await paidRelay({
    balance: 1000n,
    before: (index) => {
      if (index === 3) throw new VesselError('provider_lost');
    },
  });
  const response = await post('/v1/chat/completions', chat, bearer);
  assert.equal(response.status, 503);
  assert.equal(payments.open, 0);
  assert.equal(payments.charged.length, 1);
  assert.ok(payments.charged[0]!.total > 0n && payments.charged[0]!.total < 150n);
});

test('a caller who hangs up pays for what was computed, once', async () => {
  const { post, payments, bearer } = await paidRelay({
    balance: 1000n,
    before: (index) => (index < 2 ? undefined : new Promise<void>(() => undefined)),
  });
  const response = await post('/v1/chat/completions', { ...chat, stream: true }, bearer);
  const reader = response.body!.getReader();
  await reader.read();
  await reader.read();
  await reader.cancel();
  assert.equal(payments.open, 0);
  assert.equal(payments.charged.length, 1);
});

test('a service is paid by the order: quoted before, refused without enough, and told with its receipt', async () => {
  const { post, relay, bearer, payments } = await paidRelay({ balance: 1000n });
  const order = { format: 'gray8', width: 2, height: 2 };
  const input = Buffer.from([7, 0, 0, 0]).toString('base64');
  const path = `/v1/services/${digitService.name}`;
  const refused = await post(path, { order, input });
  assert.equal(refused.status, 402);
  // A picture weighs as much as a hundred positions.
  assert.equal((await refused.json()).accepts[0].amount, '100');
  const response = await post(path, { order, input }, bearer);
  const body = await response.json();
  assert.equal(response.status, 200);
  assert.match(body.price, /^[0-9]+$/);
  assert.match(body.receipt, /^0x/);
  assert.equal(payments.open, 0);
  const many = await post(path, { orders: Array.from({ length: 11 }, () => ({ order, input })) }, bearer);
  assert.equal(many.status, 402);
  assert.match((await many.json()).error.message, /up to 0\.0000000000000011 AIC/);
  const price = await (await relay.app.request(`/v1/price?model=${digitService.name}&units=11`)).json();
  assert.deepEqual([price.price, price.unit, price.units], ['1100', 'image', 11]);
});

test('services and models tell their price, and whose they are on what terms', async () => {
  const { relay } = await paidRelay();
  const { data } = await (await relay.app.request('/v1/services')).json();
  const listing = {
    asset: '7',
    owner: `0x${'4'.repeat(40)}`,
    royalty: 1000,
    network_fee: 500,
    price_floor: '250',
    version: 2,
    active: true,
  };
  assert.deepEqual(
    data.map(({ vessel }: { vessel: { price: string; listing: object } }) => [vessel.price, vessel.listing]),
    [
      ['100', listing],
      ['1', listing],
    ],
  );
  const models = await (await relay.app.request('/v1/models')).json();
  for (const { vessel } of models.data) assert.deepEqual(vessel.listing, listing);
  const { money } = await fakeMoney({
    overrides: { listings: { of: () => Promise.reject(new VesselError('chain_unavailable')) } },
  });
  const cut = await httpRelay({ deps: { money } });
  assert.equal((await (await cut.app.request('/v1/models')).json()).data[0].vessel.listing, undefined);
});

test('the price is quoted before work, and is nothing in a free network', async () => {
  const { relay } = await paidRelay();
  const path = '/v1/price?model=bytes&prompt_tokens=10&max_tokens=20';
  assert.deepEqual(await (await relay.app.request(path)).json(), {
    model: 'bytes',
    prompt_tokens: 10,
    max_tokens: 20,
    price: '50',
    currency: 'AIC',
    decimals: 18,
  });
  const free = await httpRelay();
  assert.equal((await (await free.app.request(path)).json()).price, '0');
  for (const query of [
    '',
    '?model=bytes',
    '?model=bytes&prompt_tokens=-1',
    '?model=bytes&prompt_tokens=1e3',
    '?model=bytes&prompt_tokens=1&x=1',
  ]) {
    assert.equal((await relay.app.request(`/v1/price${query}`)).status, 400);
  }
});

test('models tell what providers ask', async () => {
  const { relay } = await paidRelay();
  const { data } = await (await relay.app.request('/v1/models')).json();
  assert.deepEqual(data[0].vessel.ask, { prompt: '1', output: '2' });
});
