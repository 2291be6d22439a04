import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toFunctionSelector } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { createSiweMessage } from 'viem/siwe';
import { fakeMoney } from '../../../testing/fake-money.ts';
import { httpRelay } from '../../../testing/http-relay.ts';

const aic = 10n ** 18n;

async function signedIn(shared?: Awaited<ReturnType<typeof relayWithMoney>>) {
  const relay = shared ?? (await relayWithMoney());
  const wallet = privateKeyToAccount(generatePrivateKey());
  const address = wallet.address.toLowerCase() as `0x${string}`;
  const { message, signature } = await signIn(relay, wallet);
  const session = await (await relay.post('/v1/auth/verify', { message, signature })).json();
  const headers = { authorization: `Bearer ${session.token}`, 'content-type': 'application/json' };
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await relay.app.request(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  return { ...relay, wallet, address, session, call, relay };
}

async function relayWithMoney() {
  const fake = await fakeMoney();
  return { ...fake, ...(await httpRelay({ deps: { money: fake.money } })) };
}
type Relay = Awaited<ReturnType<typeof relayWithMoney>>;

interface Changes {
  domain?: string;
  uri?: string;
  chainId?: number;
  nonce?: string;
  expirationTime?: Date;
  notBefore?: Date;
  issuedAt?: Date;
}

async function signIn(relay: Relay, wallet = privateKeyToAccount(generatePrivateKey()), changes: Changes = {}) {
  const { nonce, chain_id } = await (await relay.post('/v1/auth/nonce', {})).json();
  const message = createSiweMessage({
    address: wallet.address,
    domain: 'localhost:8787',
    uri: 'http://localhost:8787/',
    version: '1',
    chainId: chain_id,
    nonce,
    issuedAt: new Date(relay.time.nowMs),
    ...changes,
  });
  return { message, signature: await wallet.signMessage({ message }) };
}

test('a wallet signs in once with one message, and the session is in a cookie no script reads', async () => {
  const relay = await relayWithMoney();
  const signed = await signIn(relay);
  const response = await relay.post('/v1/auth/verify', signed);
  assert.equal(response.status, 200);
  const cookie = response.headers.get('set-cookie')!;
  assert.match(cookie, /^vessel_session=vst_[\w-]{43}; Path=\/v1; Max-Age=3600; HttpOnly; SameSite=Strict$/);
  const who = await relay.app.request('/v1/auth/session', { headers: { cookie: cookie.split(';')[0]! } });
  assert.equal(who.status, 200);
  const again = await relay.post('/v1/auth/verify', signed);
  assert.equal(again.status, 401);
  assert.match((await again.json()).error.message, /used before/);
});

test('a sign-in for another site, chain or time opens nothing', async () => {
  const relay = await relayWithMoney();
  const { nowMs } = relay.time;
  const wrong: [Changes, RegExp][] = [
    [{ domain: 'evil.example' }, /not this relay/],
    [{ uri: 'https://evil.example/' }, /two different sites/],
    [{ chainId: 1 }, /chain 1/],
    [{ nonce: 'abcdefgh12345678' }, /used before/],
    [{ expirationTime: new Date(nowMs - 1000) }, /expired/],
    [{ notBefore: new Date(nowMs + 60_000) }, /not valid yet/],
    [{ issuedAt: new Date(nowMs - 3_600_000) }, /just now/],
  ];
  for (const [changes, reason] of wrong) {
    const response = await relay.post('/v1/auth/verify', await signIn(relay, undefined, changes));
    assert.equal(response.status, 401);
    assert.match((await response.json()).error.message, reason);
  }
});

test('a nonce ends, a session ends, and signing out ends it at once', async () => {
  const relay = await relayWithMoney();
  const signed = await signIn(relay);
  relay.time.advance(11 * 60_000);
  assert.equal((await relay.post('/v1/auth/verify', signed)).status, 401);
  const first = await signedIn(relay);
  relay.time.advance(61 * 60_000);
  assert.equal((await first.call('GET', '/v1/keys')).status, 401);
  const second = await signedIn(relay);
  assert.equal((await second.call('DELETE', '/v1/auth/session')).status, 200);
  assert.equal((await second.call('GET', '/v1/keys')).status, 401);
});

test('a message changed after it was signed, or signed by another wallet, is refused', async () => {
  const relay = await relayWithMoney();
  const { message, signature } = await signIn(relay);
  const changed = message.replace('URI: http://localhost:8787/', 'URI: http://localhost:8787/x');
  assert.equal((await relay.post('/v1/auth/verify', { message: changed, signature })).status, 401);
  const other = await signIn(relay);
  const mixed = await signIn(relay);
  assert.equal((await relay.post('/v1/auth/verify', { message: mixed.message, signature: other.signature })).status, 401);
});

test('rubbish at the door is refused and told in OpenAI’s shape', async () => {
  const relay = await relayWithMoney();
  const bodies = [
    '{',
    '[]',
    '{}',
    '{"message":1,"signature":"0x"}',
    '{"message":"hello","signature":"0x00"}',
    'null',
    `{"message":"${'x'.repeat(5000)}","signature":"0x00"}`,
  ];
  for (const body of bodies) {
    const response = await relay.post('/v1/auth/verify', body);
    assert.ok([400, 401].includes(response.status), body);
    assert.equal(typeof (await response.json()).error.code, 'string');
  }
  const me = await signedIn(relay);
  const keys = [
    {},
    { name: 'a', cap: 1, expiry: 5 },
    { name: 'a', cap: '-1', expiry: 5 },
    { name: 'a', cap: '1', expiry: 5 },
    { name: 'a', cap: '0', expiry: 2e9 },
    { name: '', cap: '1', expiry: 2e9 },
  ];
  for (const body of keys) assert.equal((await me.call('POST', '/v1/keys', body)).status, 400);
});

test('a key is made, authorized by the wallet’s signature, used, limited, listed and revoked', async () => {
  const me = await signedIn();
  me.escrow.free.set(me.address, 5n * aic);
  const expiry = Math.floor(me.time.nowMs / 1000) + 3600;
  const { status, body: key } = await me.call('POST', '/v1/keys', { name: 'laptop', cap: (2n * aic).toString(), expiry });
  assert.equal(status, 200);
  assert.equal(key.status, 'pending');
  const { domain, types, primaryType, message } = key.authorization;
  const signature = await me.wallet.signTypedData({
    domain,
    types,
    primaryType,
    message: { ...message, cap: BigInt(message.cap) },
  });
  const ask = () =>
    me.post(
      '/v1/completions',
      { model: 'bytes', prompt: 'x', max_tokens: 5 },
      { headers: { authorization: `Bearer ${key.secret}` } },
    );
  assert.equal((await ask()).status, 402);

  const authorized = await me.call('POST', `/v1/keys/${key.id}/authorize`, { signature });
  assert.deepEqual([authorized.status, authorized.body.status, authorized.body.cap], [200, 'active', (2n * aic).toString()]);
  assert.equal(authorized.body.secret, undefined);
  assert.equal((await ask()).status, 200);

  const { body: list } = await me.call('GET', '/v1/keys');
  assert.equal(list.balance, (3n * aic).toString());
  assert.equal(list.data[0].last_used, Math.floor(me.time.nowMs / 1000));
  assert.ok(!JSON.stringify(list).includes(key.secret));

  assert.equal((await me.call('PATCH', `/v1/keys/${key.id}`, { spend_limit: '1' })).body.spend_limit, '1');
  assert.equal((await ask()).status, 402);
  assert.equal((await me.call('PATCH', `/v1/keys/${key.id}`, { spend_limit: (3n * aic).toString() })).status, 400);
  assert.equal((await me.call('PATCH', `/v1/keys/${key.id}`, { spend_limit: null })).status, 200);
  assert.equal((await ask()).status, 200);

  const gone = await me.call('DELETE', `/v1/keys/${key.id}`);
  assert.equal(gone.body.revoked, true);
  assert.match(gone.body.transaction.data, /^0x[0-9a-f]{72}$/);
  assert.equal((await ask()).status, 401);
  assert.deepEqual((await me.call('GET', '/v1/keys')).body.data, []);
});

test('what an ended key still has is listed with what brings it back: end it on chain, wait, release', async () => {
  const me = await signedIn();
  me.escrow.free.set(me.address, 5n * aic);
  me.escrow.now = Math.floor(me.time.nowMs / 1000);
  const expiry = me.escrow.now + 3600;
  const { body: key } = await me.call('POST', '/v1/keys', { name: 'old', cap: (2n * aic).toString(), expiry });
  const { domain, types, primaryType, message } = key.authorization;
  const typed = { domain, types, primaryType, message: { ...message, cap: BigInt(message.cap) } };
  await me.call('POST', `/v1/keys/${key.id}/authorize`, { signature: await me.wallet.signTypedData(typed) });
  const ended = async () => (await me.call('GET', '/v1/keys')).body.ended;
  assert.deepEqual(await ended(), []);

  const gone = await me.call('DELETE', `/v1/keys/${key.id}`);
  const [live] = await ended();
  assert.deepEqual([live.name, live.left, live.releasable_at], ['old', (2n * aic).toString(), null]);
  assert.deepEqual(live.transaction, gone.body.transaction);

  me.escrow.now = expiry;
  const [waiting] = await ended();
  assert.deepEqual([waiting.releasable_at, waiting.transaction], [expiry + 3_600, null]);

  me.escrow.now = expiry + 3_600;
  const [over] = await ended();
  assert.equal(over.transaction.data.slice(0, 10), toFunctionSelector('release(address,address)'));
  const state = me.escrow.authorizations.get(`${me.address}:${key.session_key}`)!;
  me.escrow.authorizations.set(`${me.address}:${key.session_key}`, { ...state, cap: 0n, closed: true });
  assert.deepEqual(await ended(), []);
});

test('another wallet can neither see, authorize, limit nor revoke a key', async () => {
  const me = await signedIn();
  const expiry = Math.floor(me.time.nowMs / 1000) + 3600;
  const { body: key } = await me.call('POST', '/v1/keys', { name: 'a', cap: '5', expiry });
  const other = await signedIn(me.relay);
  assert.deepEqual((await other.call('GET', '/v1/keys')).body.data, []);
  const path = `/v1/keys/${key.id}`;
  assert.equal((await other.call('DELETE', path)).status, 404);
  assert.equal((await other.call('PATCH', path, { spend_limit: '0' })).status, 404);
  assert.equal((await other.call('POST', `${path}/authorize`, { signature: `0x${'1'.repeat(130)}` })).status, 404);
  assert.equal((await other.call('DELETE', '/v1/keys/nothing')).status, 404);
  assert.equal((await me.call('GET', '/v1/keys')).body.data.length, 1);
});

test('an authorization that is not the wallet’s, or that its balance does not cover, is not sent', async () => {
  const me = await signedIn();
  const expiry = Math.floor(me.time.nowMs / 1000) + 3600;
  const { body: key } = await me.call('POST', '/v1/keys', { name: 'a', cap: '5', expiry });
  const path = `/v1/keys/${key.id}/authorize`;
  const { domain, types, primaryType, message } = key.authorization;
  const typed = { domain, types, primaryType, message: { ...message, cap: BigInt(message.cap) } };
  const foreign = await privateKeyToAccount(generatePrivateKey()).signTypedData(typed);
  assert.equal((await me.call('POST', path, { signature: foreign })).status, 400);
  const short = await me.call('POST', path, { signature: await me.wallet.signTypedData(typed) });
  assert.deepEqual([short.status, short.body.error.code], [402, 'payment_required']);
  assert.equal(me.escrow.authorizations.size, 0);
});

test('keys per wallet are limited, and those that no chain ever knew are forgotten after a day', async () => {
  const me = await signedIn();
  const make = () => me.call('POST', '/v1/keys', { name: 'a', cap: '5', expiry: Math.floor(me.time.nowMs / 1000) + 360_000 });
  for (let i = 0; i < 32; i++) assert.equal((await make()).status, 200);
  assert.equal((await make()).status, 403);
  me.time.advance(25 * 3_600_000);
  const later = await signedIn(me.relay);
  assert.equal(
    (await later.call('POST', '/v1/keys', { name: 'b', cap: '5', expiry: Math.floor(me.time.nowMs / 1000) + 100 })).status,
    200,
  );
  assert.equal(me.keys.list().length, 1);
});

test('what the log says holds no secret, signature or address', async () => {
  const me = await signedIn();
  await me.call('GET', '/v1/keys');
  const log = JSON.stringify(me.lines);
  assert.ok(!log.includes(me.session.token) && !log.includes(me.address));
});
