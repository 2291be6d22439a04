import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from '@hono/node-server';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { digitAnswer, digitService, FakeServices, voiceService } from '../../../testing/fake-services.ts';
import { httpRelay, testModel } from '../../../testing/http-relay.ts';

const order = { format: 'gray8', width: 2, height: 1 };
const path = '/v1/services/digits';
const base64 = (...bytes: number[]) => Buffer.from(bytes).toString('base64');
const single = { order, input: base64(7, 0) };

async function relayWith(services = new FakeServices(), settings = {}) {
  const relay = await httpRelay({ deps: { services }, settings });
  const send = (body: Uint8Array<ArrayBuffer>, headers: Record<string, string>, to = path) =>
    Promise.resolve(
      relay.app.request(to, { method: 'POST', body, headers: { 'content-type': 'application/octet-stream', ...headers } }),
    );
  return { ...relay, services, send };
}

async function refusal(response: Response | Promise<Response>) {
  const { status, headers, json } = await Promise.resolve(response).then(async (got) => ({
    status: got.status,
    headers: got.headers,
    json: await got.json(),
  }));
  return { status, headers, ...json.error };
}

test('services are listed, and not among the models; one tells its settings and the schema of its orders', async () => {
  const { app } = await relayWith();
  const { data } = await (await app.request('/v1/services')).json();
  assert.deepEqual(
    data.map((one: Record<string, unknown>) => [one.id, one.service, one.unit, one.streaming, one.vessel]),
    [
      ['digits', 'image-classification', 'image', false, { cid: digitService.id, ready: true }],
      ['org/voice', 'voice-activity', 'audio-ms', true, { cid: voiceService.id, ready: false }],
    ],
  );
  const models = await (await app.request('/v1/models')).json();
  assert.deepEqual(
    models.data.map(({ id }: { id: string }) => id),
    ['bytes', 'org/plain'],
  );
  for (const name of ['org/voice', 'org%2Fvoice', voiceService.id]) {
    const voice = await (await app.request(`/v1/services/${name}`)).json();
    assert.deepEqual([voice.id, voice.order.properties.format.enum], ['org/voice', ['s16le', 'f32le']]);
  }
  assert.deepEqual((await (await app.request(path)).json()).settings, { scale: 1 });
});

test('one order as bytes with a header, or as JSON in base64, by name or CID', async () => {
  const { send, post, services } = await relayWith();
  const answer = { ...digitAnswer(Uint8Array.of(7, 0)), provider: 'fake-peer' };
  const header = { 'vessel-order': JSON.stringify(order) };
  assert.deepEqual(await (await send(Uint8Array.of(7, 0), header)).json(), answer);
  assert.deepEqual(await (await send(Uint8Array.of(7, 0), header, `/v1/services/${digitService.id}`)).json(), answer);
  assert.deepEqual(await (await post(path, single)).json(), answer);
  assert.deepEqual(
    services.runs,
    Array.from({ length: 3 }, (_, session) => ({ session, order, bytes: 2 })),
  );
  assert.equal(services.closed, 3);
});

test('several orders run in turn in one session', async () => {
  const { post, services } = await relayWith();
  const body = { orders: [single, { order, input: base64(3, 0) }, single] };
  const { results, provider } = await (await post(path, body)).json();
  assert.deepEqual(
    results.map(({ result }: { result: { labels: { index: number }[] } }) => result.labels[0]!.index),
    [7, 3, 7],
  );
  assert.equal(provider, 'fake-peer');
  assert.deepEqual([services.opened, services.closed, services.runs.length], [1, 1, 3]);
});

test('a bad order is refused by name before any provider is asked', async () => {
  const { post, send, services } = await relayWith();
  const cases: [unknown, string][] = [
    [{ order: { ...order, format: 'png' }, input: '' }, 'order'],
    [{ orders: [single, { order: { format: 'gray8' }, input: '' }] }, 'orders[1].order'],
    [{ orders: [single, { order, input: '!!!!' }] }, 'orders[1].input'],
    [{ orders: [single, { order, input: 'AAA' }] }, 'orders[1].input'],
    [{ orders: [] }, 'orders'],
    [{ orders: Array.from({ length: 257 }, () => single) }, 'orders'],
    [{ ...single, model: 'x' }, 'model'],
    [{ input: '' }, 'order'],
  ];
  for (const [body, param] of cases) {
    const { status, code, ...rest } = await refusal(post(path, body));
    assert.deepEqual([status, code, rest.param], [400, 'bad_request', param]);
  }
  for (const header of ['', '{', '[]', '17', 'null']) {
    const { status, param } = await refusal(send(Uint8Array.of(1), header === '' ? {} : { 'vessel-order': header }));
    assert.deepEqual([status, param], [400, 'vessel-order']);
  }
  const picture = await refusal(send(Uint8Array.of(1), { 'content-type': 'image/png' }));
  assert.deepEqual([picture.status, picture.code, picture.param], [400, 'unsupported', 'content-type']);
  assert.equal(services.opened, 0);
});

test("input beyond the type's bound is 413, in either form", async () => {
  const { post, send, services } = await relayWith();
  const large = new Uint8Array(digitService.type.maxInputBytes + 1);
  const header = { 'vessel-order': JSON.stringify(order) };
  const answers = [send(large, header), post(path, { order, input: Buffer.from(large).toString('base64') })];
  for (const answer of answers) {
    const { status, code } = await refusal(answer);
    assert.deepEqual([status, code], [413, 'body_too_large']);
  }
  assert.equal(services.opened, 0);
});

test('a name that is unknown, of a language model, or of a service nobody holds is told apart', async () => {
  const { app, post } = await relayWith();
  const unknown = await refusal(post('/v1/services/nothing', single));
  assert.deepEqual([unknown.status, unknown.code, unknown.param], [404, 'model_not_found', 'model']);
  assert.equal((await app.request('/v1/services/nothing')).status, 404);
  const language = await refusal(post(`/v1/services/${testModel.name}`, single));
  assert.deepEqual([language.status, language.code], [400, 'bad_request']);
  assert.match(language.message, /chat\/completions/);
  const unheld = await refusal(post('/v1/services/org/voice', { order: { format: 's16le' }, input: '' }));
  assert.deepEqual([unheld.status, unheld.code, unheld.headers.get('retry-after')], [503, 'no_route', '1']);
  const service = await refusal(post('/v1/chat/completions', { model: 'digits', messages: [{ role: 'user', content: 'hi' }] }));
  assert.equal(service.code, 'model_not_found');
});

test('keys and rate limits hold here as well', async () => {
  const closed = await relayWith(new FakeServices(), { requireKey: true });
  assert.equal((await closed.post(path, single)).status, 401);
  assert.equal((await closed.app.request('/v1/services')).status, 401);
  const hurried = await relayWith(new FakeServices(), { requestsPerMinute: 1 });
  assert.equal((await hurried.post(path, single)).status, 200);
  assert.equal((await hurried.post(path, single)).status, 429);
});

test('orders take their turn at the same gate as answers, and a full line is refused', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = new FakeServices(async (input) => {
    await promise;
    return digitAnswer(input);
  });
  const { post } = await relayWith(slow, { maxConcurrent: 1, maxQueued: 1 });
  const first = post(path, single);
  const second = post(path, single);
  await new Promise(setImmediate);
  assert.equal((await refusal(post(path, single))).code, 'queue_full');
  assert.equal(slow.opened, 1);
  resolve();
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
});

test('what a provider refuses or loses keeps its code, ends the request and frees the session', async () => {
  const outcomes = [
    ['bad_request', 400, 'orders[1].order'],
    ['provider_lost', 503, null],
    ['bad_output', 502, null],
  ] as const;
  for (const [code, status, param] of outcomes) {
    const services = new FakeServices((input) => {
      if (input[0] === 9) throw new VesselError(code, 'as it happened');
      return digitAnswer(input);
    });
    const { post, app } = await relayWith(services);
    const body = { orders: [single, { order, input: base64(9, 0) }, single] };
    const answer = await refusal(post(path, body));
    assert.deepEqual([answer.status, answer.code, answer.message, answer.param], [status, code, 'as it happened', param]);
    assert.deepEqual([services.runs.length, services.closed], [2, 1]);
    const metrics = await (await app.request('/metrics')).text();
    assert.match(metrics, new RegExp(`vessel_service_orders_total\\{service="image-classification",outcome="${code}"\\} 1`));
    assert.match(metrics, /vessel_service_units_total\{service="image-classification",unit="image"\} 1/);
  }
});

test('a result of another form, or metered otherwise than the type meters, is not passed on', async () => {
  const good = digitAnswer(Uint8Array.of(7));
  for (const odd of [
    { ...good, result: { ...good.result, advert: 'buy' } },
    { ...good, meter: { unit: 'image', amount: 1000 } },
    { ...good, meter: { unit: 'token', amount: 1 } },
  ]) {
    const { post } = await relayWith(new FakeServices(() => odd));
    const { status, code } = await refusal(post(path, single));
    assert.deepEqual([status, code], [502, 'bad_output']);
  }
});

test('a client that hangs up frees the session', async () => {
  const services = new FakeServices(() => new Promise(() => undefined));
  const { app, lines } = await relayWith(services);
  const port = await new Promise<number>((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve(info.port));
    server.unref();
  });
  const hangUp = new AbortController();
  const headers = { 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${port}${path}`;
  const asked = fetch(url, { method: 'POST', headers, body: JSON.stringify(single), signal: hangUp.signal });
  while (services.runs.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  hangUp.abort();
  await assert.rejects(asked);
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([services.closed, lines[0]!.code], [1, 'cancelled']);
});

test('the log has no word of orders, results or names as sent', async () => {
  const { post, send, lines } = await relayWith();
  const marker = 'marker-of-a-secret';
  await post(`/v1/services/${marker}`, single);
  await post(path, { order: { ...order, [marker]: marker }, input: '' });
  await send(Uint8Array.of(1), { 'vessel-order': JSON.stringify({ [marker]: 1 }) });
  assert.equal(lines.length, 3);
  assert.deepEqual(lines[0]!.path, '/v1/services/:model{.+}');
  assert.ok(!JSON.stringify(lines).includes(marker));
});
