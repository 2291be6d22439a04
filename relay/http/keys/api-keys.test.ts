import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MemoryStore } from '../../../testing/memory-store.ts';
import { ApiKeys } from './api-keys.ts';

const open = (store: MemoryStore) => ApiKeys.open({ store, clock: () => 1000, randomBytes });

test('a key made is verified, also after a restart, and its secret is stored nowhere', async () => {
  const store = new MemoryStore();
  const { key, secret } = await (await open(store)).create({ name: 'laptop', limits: { requestsPerMinute: 5 } });
  assert.match(secret, /^vsl_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual((await open(store)).verify(secret), key);
  assert.equal(key.limits.requestsPerMinute, 5);
  assert.ok(!store.text!.includes(secret.slice(17)));
});

test('a wrong secret of a known key, an unknown key and nonsense are all nobody', async () => {
  const keys = await open(new MemoryStore());
  const { secret } = await keys.create({ name: 'a' });
  const other = (await keys.create({ name: 'b' })).secret;
  const wrong = [
    secret.slice(0, 17) + other.slice(17),
    `${secret}x`,
    secret.toUpperCase(),
    'vsl_',
    '',
    `vsl_000000000000_${'a'.repeat(43)}`,
  ];
  for (const text of wrong) assert.equal(keys.verify(text), null);
});

test('a revoked key stays listed and never verifies again', async () => {
  const store = new MemoryStore();
  const keys = await open(store);
  const { key, secret } = await keys.create({ name: 'a' });
  assert.equal(await keys.revoke(key.id), true);
  assert.equal(await keys.revoke(key.id), false);
  assert.equal(keys.verify(secret), null);
  assert.equal((await open(store)).verify(secret), null);
  assert.deepEqual(keys.list(), [{ ...key, revokedMs: 1000 }]);
});

test('a key made by another process is known after a reload', async () => {
  const store = new MemoryStore();
  const keys = await open(store);
  const { secret } = await (await open(store)).create({ name: 'a' });
  assert.equal(keys.verify(secret), null);
  await keys.reload();
  assert.equal(keys.verify(secret)?.name, 'a');
});

test('damaged storage is refused and left as it is', async () => {
  for (const text of ['{', '{}', '{"format":"vessel-keys/9","keys":[]}']) {
    const store = new MemoryStore(text);
    await assert.rejects(open(store), { code: 'bad_message' });
    assert.equal(store.text, text);
  }
});

test('a key needs a name and sensible limits', async () => {
  const keys = await open(new MemoryStore());
  await assert.rejects(keys.create({ name: '' }), { code: 'bad_request' });
  await assert.rejects(keys.create({ name: 'a', limits: { requestsPerMinute: -1 } }), { code: 'bad_request' });
  assert.deepEqual(keys.list(), []);
});
