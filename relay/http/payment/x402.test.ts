/** x402 v2 `exact` over a port, driven by the stock client. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type ServerType, serve } from '@hono/node-server';
import { ExactEvmScheme } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import OpenAI from 'openai';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { testTerms } from '../../../testing/fake-payments.ts';
import { type PaidRelayOptions, paidRelay } from '../../../testing/paid-relay.ts';

const servers: ServerType[] = [];
after(() => {
  for (const server of servers) server.close();
});
const network = `eip155:${testTerms.chainId}` as const;
const messages = [{ role: 'user' as const, content: 'hi' }];

async function served(options: PaidRelayOptions = {}) {
  const paid = await paidRelay(options);
  // The stock client signs with the time of day.
  paid.relay.time.nowMs = Date.now();
  const port = await new Promise<number>((resolve) => {
    servers.push(serve({ fetch: paid.relay.app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve(info.port)));
  });
  const wallet = privateKeyToAccount(generatePrivateKey());
  /** Every PAYMENT-SIGNATURE that was sent. */
  const signatures: string[] = [];
  const watched: typeof fetch = (input, init) => {
    const signature = typeof input === 'object' && 'headers' in input ? input.headers.get('payment-signature') : null;
    if (signature) signatures.push(signature);
    return fetch(input, init);
  };
  const payingFetch = wrapFetchWithPaymentFromConfig(watched, {
    schemes: [{ network, client: new ExactEvmScheme(wallet) }],
    spendControls: { allowedAssets: [{ network, asset: testTerms.aic, maxAmountPerPayment: '1000000' }] },
  });
  const url = `http://127.0.0.1:${port}/v1`;
  const send = (signature: string, body: object = { model: 'bytes', messages, max_tokens: 20 }) =>
    fetch(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'payment-signature': signature },
      body: JSON.stringify(body),
    });
  return { ...paid, wallet, url, payingFetch, signatures, send, payer: wallet.address.toLowerCase() as Address };
}

const ask = (body: object = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ model: 'bytes', messages, max_tokens: 20, ...body }),
});

test('the stock OpenAI client sees a 402 with code and message', async () => {
  const { url } = await served();
  const openai = new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 0 });
  await assert.rejects(
    openai.chat.completions.create({ model: 'bytes', messages }),
    (error) =>
      error instanceof OpenAI.APIError && error.status === 402 && error.code === 'payment_required' && /AIC/.test(error.message),
  );
});

test('the stock x402 client with AIC allowed pays and gets its answer streamed', async () => {
  const { payingFetch, url, x402, payments, payer } = await served();
  const response = await payingFetch(`${url}/chat/completions`, ask({ stream: true, stream_options: { include_usage: true } }));
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type')!, /text\/event-stream/);
  const settled = decodePaymentResponseHeader(response.headers.get('payment-response')!);
  assert.deepEqual([settled.success, settled.payer, settled.network], [true, payer, network]);
  const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
  assert.ok(events.length > 5);
  const { usage } = JSON.parse(events.at(-1)!.slice(6));
  assert.ok(BigInt(usage.price) > 0n && BigInt(usage.price) < x402.settled[0]!.value);
  // What was not used is still the payer's.
  const party = { payer, sessionKey: x402.gateAt!.sessionKey, spendLimit: null };
  assert.equal(await payments.available(party), x402.settled[0]!.value - BigInt(usage.price));
});

test('a client with its own limits does not pay an asset it was not told of', async () => {
  const { url, wallet, x402 } = await served();
  const careful = wrapFetchWithPaymentFromConfig(fetch, { schemes: [{ network, client: new ExactEvmScheme(wallet) }] });
  await assert.rejects(careful(`${url}/chat/completions`, ask()), /allowedAssets/);
  assert.equal(x402.settled.length, 0);
});

test('a replayed payment is refused, and of two sent at once one is answered', async () => {
  const { payingFetch, url, signatures, send, asker, x402 } = await served();
  assert.equal((await payingFetch(`${url}/chat/completions`, ask())).status, 200);
  const replayed = await send(signatures[0]!);
  assert.equal(replayed.status, 402);
  assert.match((await replayed.json()).error.message, /has been used/);
  assert.equal(asker.requests.length, 1);

  const twice = await served();
  twice.x402.fail = new VesselError('payment_required', 'Kept for later.');
  assert.equal((await twice.payingFetch(`${twice.url}/chat/completions`, ask())).status, 402);
  const statuses = await Promise.all([twice.send(twice.signatures[0]!), twice.send(twice.signatures[0]!)]);
  assert.deepEqual(statuses.map(({ status }) => status).toSorted(), [200, 402]);
  assert.equal(twice.x402.settled.length, 1);
  assert.equal(x402.settled.length, 1);
});

test('a settlement that fails charges nothing and computes nothing', async () => {
  const { payingFetch, url, x402, asker, payments } = await served();
  x402.fail = new VesselError('payment_required', 'The chain refused the transfer: InsufficientBalance.');
  const response = await payingFetch(`${url}/chat/completions`, ask({ stream: true }));
  assert.equal(response.status, 402);
  assert.match((await response.json()).error.message, /InsufficientBalance/);
  assert.deepEqual([asker.requests.length, payments.charged.length, x402.settled.length], [0, 0, 0]);
  assert.equal(response.headers.get('payment-response'), null);
});

test('a chain that does not answer leaves the payment to be taken up again', async () => {
  const { payingFetch, url, x402, signatures, send } = await served();
  x402.fail = new VesselError('chain_unavailable');
  assert.equal((await payingFetch(`${url}/chat/completions`, ask())).status, 503);
  assert.equal((await send(signatures[0]!)).status, 200);
  assert.equal(x402.settled.length, 1);
});

test('a payment whose request computed nothing may be sent again, without settling twice', async () => {
  let isDown = true;
  const { payingFetch, url, x402, signatures, send } = await served({
    before: () => {
      if (isDown) throw new VesselError('no_route');
    },
  });
  assert.equal((await payingFetch(`${url}/chat/completions`, ask())).status, 503);
  isDown = false;
  const response = await send(signatures[0]!);
  assert.equal(response.status, 200);
  assert.ok(response.headers.get('payment-response'));
  assert.equal(x402.settled.length, 1);
  assert.equal((await send(signatures[0]!)).status, 402);
});

test('a payment for less than this request, of another wallet, or made out otherwise is refused unsettled', async () => {
  const { payingFetch, url, x402, signatures, send } = await served();
  x402.fail = new VesselError('payment_required', 'Kept for later.');
  await payingFetch(`${url}/chat/completions`, ask());
  const [signature] = signatures;
  const dearer = await send(signature!, { model: 'bytes', messages, max_tokens: 200 });
  assert.match((await dearer.json()).error.message, /needs/);
  const payload = JSON.parse(atob(signature!));
  const changed = (change: (copy: typeof payload) => void) => {
    const copy = structuredClone(payload);
    change(copy);
    return btoa(JSON.stringify(copy));
  };
  const wrong = [
    changed(({ payload: { authorization } }) => {
      authorization.from = `0x${'9'.repeat(40)}`;
    }),
    changed(({ accepted, payload: { authorization } }) => {
      accepted.payTo = authorization.to = `0x${'9'.repeat(40)}`;
    }),
    changed(({ payload: { authorization } }) => {
      authorization.to = `0x${'9'.repeat(40)}`;
    }),
    changed(({ accepted, payload: { authorization } }) => {
      accepted.amount = authorization.value = '99999999';
    }),
    changed(({ accepted }) => {
      accepted.network = 'eip155:1';
    }),
    changed(({ accepted }) => {
      accepted.asset = `0x${'9'.repeat(40)}`;
    }),
    changed(({ payload: { authorization } }) => {
      authorization.validBefore = '5';
    }),
    changed((copy) => {
      copy.payload.signature = '0x00';
    }),
    changed((copy) => {
      copy.x402Version = 1;
    }),
    'rubbish',
    btoa('null'),
    'A'.repeat(20_000),
  ];
  for (const header of wrong) {
    // 431: the server itself reads no header of this length.
    assert.ok([402, 431].includes((await send(header)).status), header.slice(0, 40));
  }
  assert.equal(x402.settled.length, 0);
});

test('without a gate nothing is offered', async () => {
  const { post, x402 } = await paidRelay();
  x402.gateAt = null;
  const response = await post('/v1/chat/completions', { model: 'bytes', messages });
  assert.equal(response.status, 402);
  assert.equal(response.headers.get('payment-required'), null);
});
