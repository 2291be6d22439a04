import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import type { VesselError } from '../../shared/protocol/errors.ts';
import { ManualTime } from '../../testing/manual-time.ts';
import { newIdentity } from '../../testing/presence-client.ts';
import { PresenceSocket } from './presence-socket.ts';

async function client(answer: object) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const said: string[] = [];
  server.on('connection', (socket) => {
    socket.on('message', (data) => said.push(String(data)));
    socket.send(JSON.stringify(answer));
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const time = new ManualTime();
  const who = await newIdentity();
  const { promise, resolve } = Promise.withResolvers<VesselError | undefined>();
  const closed = new Promise<void>((done) => server.on('connection', (socket) => socket.on('close', () => done())));
  const socket = new PresenceSocket({
    relayUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: who.key,
    peer: who.peer,
    signAsPeer: async (message) => who.peerKey.sign(message),
    clock: { now: time.clock, after: time.after },
    onWelcome: () => undefined,
    onMessage: () => undefined,
    onState: (state, error) => {
      if (state === 'offline') resolve(error);
    },
  });
  const error = await promise;
  await closed;
  await new Promise((done) => setTimeout(done, 20));
  const waiting = time.waiting;
  socket.stop();
  server.close();
  return { error, said, waiting };
}

test('[PV5] a client that meets another version says nothing, leaves, and does not come back', async () => {
  const { error, said, waiting } = await client({ type: 'challenge', version: 2, nonce: 'abc' });
  assert.equal(error?.code, 'version_mismatch');
  assert.deepEqual([said, waiting], [[], 0]);
});

test('[PR5] a client that is told what is no message leaves, and comes back later', async () => {
  const { error, waiting } = await client({ type: 'challenge', version: 1, nonce: 'abc', more: 1 });
  assert.equal(error?.code, 'bad_message');
  assert.equal(waiting, 1);
});
