import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { fakeMoney } from '../../testing/fake-money.ts';
import { httpRelay, templatelessModel, testModel } from '../../testing/http-relay.ts';
import { type createApp, ownsPath } from './create-app.ts';
import { documentPath } from './routes/openapi.ts';

const chat = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };

test('models are listed and found by name, by CID, and with a slash in the name', async () => {
  const { app } = await httpRelay();
  const { data } = await (await app.request('/v1/models')).json();
  assert.deepEqual(
    data.map(({ id, object }: { id: string; object: string }) => [id, object]),
    [
      ['bytes', 'model'],
      ['org/plain', 'model'],
    ],
  );
  for (const path of ['bytes', testModel.id]) {
    const model = await (await app.request(`/v1/models/${path}`)).json();
    assert.deepEqual(model.vessel, { cid: testModel.id, context: 512, vocab: testModel.vocab, ready: true });
  }
  for (const path of ['org/plain', 'org%2Fplain']) {
    assert.equal((await (await app.request(`/v1/models/${path}`)).json()).vessel.cid, templatelessModel.id);
  }
  assert.equal((await app.request('/v1/models/nothing')).status, 404);
});

test('health tells version, uptime, providers and which models could answer', async () => {
  const { app } = await httpRelay();
  assert.deepEqual(await (await app.request('/health')).json(), {
    ok: true,
    version: '0.1.0',
    uptimeSeconds: 5,
    providers: 3,
    models: [
      { name: 'bytes', ready: true },
      { name: 'org/plain', ready: false },
    ],
  });
});

test('metrics count requests by route and status, tokens, and what is in work', async () => {
  const { app, post } = await httpRelay({ answer: 'abc' });
  await (await post('/v1/chat/completions', chat)).json();
  await app.request('/v1/models/some-long-path-of-a-caller');
  const text = await (await app.request('/metrics')).text();
  assert.match(text, /vessel_http_requests_total\{method="POST",route="\/v1\/chat\/completions",status="200"\} 1/);
  assert.match(text, /vessel_http_requests_total\{method="GET",route="\/v1\/models\/:id\{\.\+\}",status="404"\} 1/);
  assert.match(text, /vessel_tokens_total\{kind="completion"\} 3/);
  assert.match(text, /vessel_active_answers 0/);
  assert.doesNotMatch(text, /some-long-path/);
});

test('every route is in the OpenAPI document and the document has no other', async () => {
  const { app } = await httpRelay();
  const document = await (await app.request('/openapi.json')).json();
  const written = Object.entries<object>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const mounted = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${documentPath(path)}`);
  assert.deepEqual(written.toSorted(), [...new Set(mounted)].toSorted());
  const { properties } = document.paths['/v1/chat/completions'].post.requestBody.content['application/json'].schema;
  assert.deepEqual([properties.n.anyOf[0].maximum, properties.messages.minItems], [8, 1]);
  for (const path of mounted.map((route) => route.split(' ')[1]!)) assert.ok(ownsPath(path));
  const { money } = await fakeMoney();
  const paid = (await httpRelay({ deps: { money } })).app;
  const paidPaths = (await (await paid.request('/openapi.json')).json()).paths;
  for (const { method, path } of paid.routes.filter((route) => route.method !== 'ALL')) {
    assert.ok(paidPaths[documentPath(path)][method.toLowerCase()], `${method} ${path}`);
    assert.ok(ownsPath(path));
  }
  assert.ok('/v1/keys/{id}' in paidPaths && !('/v1/keys/{id}' in document.paths));
  assert.ok(!ownsPath('/') && !ownsPath('/assets/v1') && !ownsPath('/v1x'));
});

test("unknown paths and wrong methods are told in OpenAI's shape", async () => {
  const { app, post } = await httpRelay();
  const missing = await app.request('/v1/embeddings', { method: 'POST' });
  assert.equal(missing.status, 404);
  assert.equal((await missing.json()).error.code, 'not_found');
  const wrong = await app.request('/v1/chat/completions');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get('allow'), 'POST');
  assert.equal((await wrong.json()).error.type, 'invalid_request_error');
  assert.equal((await post('/v1/models', {})).status, 405);
  assert.equal((await app.request('/v1/models', { method: 'HEAD' })).status, 200);
});

test('bodies that are too large, announced or not, are refused with 413', async () => {
  const { app, post, asker } = await httpRelay({ settings: { maxBodyBytes: 200 } });
  const large = { ...chat, user: 'x'.repeat(300) };
  const announced = await post('/v1/chat/completions', large, { headers: { 'content-length': '400' } });
  const stream = new Blob([JSON.stringify(large)]).stream();
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: stream, duplex: 'half' };
  const counted = await app.request('/v1/chat/completions', init);
  for (const response of [announced, counted]) {
    assert.equal(response.status, 413);
    assert.equal((await response.json()).error.code, 'body_too_large');
  }
  assert.equal(asker.requests.length, 0);
});

test('a body that is not JSON or not an object is refused without being quoted', async () => {
  const { post } = await httpRelay();
  for (const body of ['{"model": secret-words', '', '[]', 'null', '"text"', '17']) {
    const response = await post('/v1/completions', body);
    assert.equal(response.status, 400);
    const text = await response.text();
    assert.equal(JSON.parse(text).error.code, 'bad_request');
    assert.ok(!text.includes('secret-words'));
  }
});

test('where keys are required, only a live key is served', async () => {
  const { app, keys } = await httpRelay({ settings: { requireKey: true } });
  const { key, secret } = await keys.create({ name: 'a' });
  const status = async (authorization?: string) =>
    (await app.request('/v1/models', { headers: authorization ? { authorization } : {} })).status;
  assert.equal(await status(), 401);
  assert.equal(await status('Bearer sk-something'), 401);
  assert.equal(await status(`Basic ${secret}`), 401);
  assert.equal(await status(`Bearer ${secret}`), 200);
  await keys.revoke(key.id);
  assert.equal(await status(`Bearer ${secret}`), 401);
  for (const path of ['/health', '/metrics', '/openapi.json']) assert.equal((await app.request(path)).status, 200);
});

test('where keys are optional, any key of another service passes but a wrong one of ours does not', async () => {
  const { app } = await httpRelay();
  const status = async (key: string) => (await app.request('/v1/models', { headers: { authorization: `Bearer ${key}` } })).status;
  assert.equal(await status('sk-anything'), 200);
  assert.equal(await status(`vsl_000000000000_${'a'.repeat(43)}`), 401);
});

test('too many requests get 429 with Retry-After, per key and with the limits of the key', async () => {
  const { app, keys, time } = await httpRelay({ settings: { requestsPerMinute: 2 } });
  const { secret } = await keys.create({ name: 'a', limits: { requestsPerMinute: 1 } });
  const withKey = () => app.request('/v1/models', { headers: { authorization: `Bearer ${secret}` } });
  const without = () => app.request('/v1/models');
  assert.equal((await withKey()).status, 200);
  const refused = await withKey();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get('retry-after'), '60');
  assert.equal((await refused.json()).error.type, 'rate_limit_error');
  assert.equal((await without()).status, 200);
  assert.equal((await without()).status, 200);
  assert.equal((await without()).status, 429);
  time.advance(30_000);
  assert.equal((await without()).status, 200);
  assert.equal((await app.request('/health')).status, 200);
});

test('guessing keys is limited too', async () => {
  const { app } = await httpRelay({ settings: { requireKey: true, requestsPerMinute: 3 } });
  const statuses = [];
  for (let guess = 0; guess < 5; guess++) {
    statuses.push((await app.request('/v1/models', { headers: { authorization: `Bearer guess${guess}` } })).status);
  }
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
});

test("behind a proxy the address is the proxy's last word, else X-Forwarded-For is ignored", async () => {
  const behind = await httpRelay({ settings: { trustProxy: true, requestsPerMinute: 1 } });
  const from = (app: ReturnType<typeof createApp>, forwarded: string) =>
    app.request('/v1/models', { headers: { 'x-forwarded-for': forwarded } });
  assert.equal((await from(behind.app, 'forged, 10.0.0.1')).status, 200);
  assert.equal((await from(behind.app, 'forged again, 10.0.0.1')).status, 429);
  assert.equal((await from(behind.app, '10.0.0.2')).status, 200);
  const direct = await httpRelay({ settings: { requestsPerMinute: 1 } });
  assert.equal((await from(direct.app, '10.0.0.1')).status, 200);
  assert.equal((await from(direct.app, '10.0.0.2')).status, 429);
});

test('pages of any origin may call, or of the listed ones only; errors carry the headers too', async () => {
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-headers': 'authorization' },
  };
  const open = await httpRelay({ settings: { requireKey: true } });
  const answer = await open.app.request('/v1/chat/completions', preflight);
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.equal(answer.headers.get('access-control-allow-headers'), 'authorization');
  const refused = await open.app.request('/v1/models', { headers: { origin: 'https://a.example' } });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('access-control-allow-origin'), '*');
  const listed = await httpRelay({ settings: { corsOrigins: ['https://b.example'] } });
  assert.equal((await listed.app.request('/v1/models', preflight)).headers.get('access-control-allow-origin'), null);
});

test('every response has a request id and forbids guessing, framing and caching', async () => {
  const { app } = await httpRelay();
  const responses = [await app.request('/v1/models'), await app.request('/nothing'), await app.request('/health')];
  const ids = responses.map(({ headers }) => headers.get('x-request-id'));
  assert.equal(new Set(ids).size, 3);
  for (const { headers } of responses) {
    assert.match(headers.get('x-request-id')!, /^req_/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy')!, /default-src 'none'/);
    assert.equal(headers.get('cache-control'), 'no-store');
  }
});

test('the log has one line per request with counts, and never a word of prompt, answer or path', async () => {
  const marker = 'marker-of-a-secret';
  const { app, post, lines, keys } = await httpRelay({ answer: `${marker} answered` });
  const { key, secret } = await keys.create({ name: 'a' });
  const headers = { authorization: `Bearer ${secret}` };
  const body = { ...chat, messages: [{ role: 'user', content: marker }], stop: [marker], user: marker };
  await (await post('/v1/chat/completions', { ...chat, messages: body.messages }, { headers })).text();
  await (await post('/v1/chat/completions', { ...body, stream: true }, { headers })).text();
  await (await post('/v1/completions', { model: 'bytes', prompt: marker }, { headers })).text();
  await (await post('/v1/chat/completions', { ...body, [marker]: 1 })).text();
  await (await post('/v1/completions', { model: marker, prompt: marker })).text();
  await (await post('/v1/completions', `{${marker}`)).text();
  await (await post('/v1/chat/completions', { ...body, messages: [{ role: marker, content: marker }] })).text();
  await app.request(`/v1/models/${marker}`);
  await app.request(`/${marker}?q=${marker}`);
  await app.request(`/v1/models`, { method: 'BREW' });
  assert.equal(lines.length, 10);
  assert.ok(!JSON.stringify(lines).includes(marker));
  assert.deepEqual(
    [lines[0]!.method, lines[0]!.path, lines[0]!.status, lines[0]!.keyId],
    ['POST', '/v1/chat/completions', 200, key.id],
  );
  assert.equal(lines[0]!.completionTokens, `${marker} answered`.length);
  assert.ok(lines[0]!.promptTokens > 0);
  assert.deepEqual(
    lines.slice(3).map(({ code }) => code),
    ['bad_request', 'model_not_found', 'bad_request', 'bad_request', 'model_not_found', 'not_found', 'bad_request'],
  );
});

test('an unforeseen error is a 500 that tells nothing, and its stack without its message is logged', async () => {
  const { post, lines } = await httpRelay({
    before: () => {
      throw new Error('broken near marker-of-a-secret');
    },
  });
  const response = await post('/v1/chat/completions', chat);
  assert.equal(response.status, 500);
  assert.equal((await response.json()).error.message, 'Something broke that should not have.');
  assert.ok(lines[0]!.stack.length > 0);
  assert.ok(!JSON.stringify(lines).includes('marker-of-a-secret'));
});

test('errors of the network keep their code and status, and 503 says when to come back', async () => {
  for (const [code, status] of [
    ['no_route', 503],
    ['deadline', 504],
    ['provider_lost', 503],
    ['out_of_memory', 503],
  ] as const) {
    const { post } = await httpRelay({
      before: () => {
        throw new VesselError(code, 'as it happened');
      },
    });
    for (const stream of [false, true]) {
      const response = await post('/v1/chat/completions', { ...chat, stream });
      assert.equal(response.status, status);
      assert.deepEqual(await response.json(), { error: { message: 'as it happened', type: 'server_error', param: null, code } });
      assert.equal(response.headers.get('retry-after'), ['no_route', 'provider_lost'].includes(code) ? '1' : null);
    }
  }
});
