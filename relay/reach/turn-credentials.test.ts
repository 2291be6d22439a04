import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turnServer } from './turn-credentials.ts';

const service = { urls: ['turn:turn.example.org:3478'], secret: 'north', lifetimeMs: 3_600_000 };

test('the user name says when it ends and whose it is, the password is its HMAC-SHA1 in base64', () => {
  const server = turnServer(service, 'peer', 1_700_000_000_999);
  assert.equal(server.username, '1700003600:peer');
  // printf '1700003600:peer' | openssl dgst -sha1 -hmac north -binary | base64
  assert.equal(server.credential, 'tZxtQi1OIHXrplVgy5ets8RxlPo=');
  assert.deepEqual(server.urls, service.urls);
});

test('another peer, another time or another secret makes another password', () => {
  const passwords = [
    turnServer(service, 'peer', 0),
    turnServer(service, 'other', 0),
    turnServer(service, 'peer', 1000),
    turnServer({ ...service, secret: 'south' }, 'peer', 0),
  ].map(({ credential }) => credential);
  assert.equal(new Set(passwords).size, 4);
});
