import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coturnConfig } from './coturn-config.ts';
import { parseTurnUrl } from './turn-url.ts';

const service = { secret: 'a-secret-of-the-two', lifetimeMs: 1000 };
const lines = (urls: string[]) => coturnConfig({ ...service, urls }).split('\n');

test('the configuration has the port, the secret and the bounds', () => {
  const config = lines(['turn:turn.example.org:3479']);
  for (const line of [
    'listening-port=3479',
    'realm=turn.example.org',
    'use-auth-secret',
    'static-auth-secret=a-secret-of-the-two',
    'no-tls',
    'user-quota=64',
    'no-tcp-relay',
    'denied-peer-ip=127.0.0.0-127.255.255.255',
  ]) {
    assert.ok(config.includes(line), line);
  }
});

test('a TURN server over TLS is asked for its certificate', () => {
  const config = lines(['turns:turn.example.org', 'turn:turn.example.org']);
  assert.ok(config.includes('tls-listening-port=5349'));
  assert.ok(config.includes('listening-port=3478'));
  assert.ok(config.some((line) => line.startsWith('cert=')));
});

test('what is no TURN address is not taken for one', () => {
  for (const url of ['stun:a', 'turn:', 'turn:a:99999', 'turn:a b', 'turn:a?transport=x', 'turn:a\nno-auth', 'turn:user@a']) {
    assert.equal(parseTurnUrl(url), null, url);
  }
  assert.deepEqual(parseTurnUrl('turn:[2001:db8::1]:3478?transport=tcp'), {
    isSecure: false,
    host: '2001:db8::1',
    port: 3478,
    transport: 'tcp',
  });
});
