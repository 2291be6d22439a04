/** Real libp2p nodes on a real relay: what a circuit lets through, and to whom. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { Connection, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { newPeerKey } from '../../sdk/net/peer-node.ts';
import { RelayNode } from '../net/relay-node.ts';
import type { CircuitLimits } from './circuit-limits.ts';

const protocol = '/test/sink/1';
const kilobyte = new Uint8Array(1024);
const closers: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closers.reverse()) await close();
});

async function relayWith(circuits: Partial<CircuitLimits>, mayCarry: (peer: string) => boolean = () => true) {
  const relay = await RelayNode.create({ privateKey: await newPeerKey(), circuits, mayCarry });
  closers.push(() => relay.stop());
  const address = `/ip4/127.0.0.1/tcp/${relay.port}/ws/p2p/${relay.self}`;

  async function node() {
    const libp2p = await createLibp2p({
      addresses: { listen: [`${address}/p2p-circuit`] },
      transports: [webSockets(), circuitRelayTransport()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
      connectionGater: { denyDialMultiaddr: () => false },
    });
    closers.push(async () => libp2p.stop());
    let received = 0;
    await libp2p.handle(
      protocol,
      (stream) => {
        stream.addEventListener('message', ({ data }) => {
          received += data.byteLength;
        });
      },
      { runOnLimitedConnection: true },
    );
    const self = libp2p.peerId.toString();
    const reach = (peer: string): Promise<Connection> =>
      libp2p.dial(multiaddr(`${address}/p2p-circuit/p2p/${peer}`), { force: true });
    return { self, reach, received: () => received };
  }
  return { relay, node };
}

function open(connection: Connection): Promise<Stream> {
  return connection.newStream(protocol, { runOnLimitedConnection: true });
}

/** Sends until `bytes` are out or the stream is gone. */
async function pour(stream: Stream, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes && stream.status === 'open'; sent += kilobyte.length) {
    try {
      if (!stream.send(kilobyte)) await stream.onDrain({ signal: AbortSignal.timeout(5000) });
    } catch {
      return;
    }
  }
}

/** It may take its time: windows are small and there are two of them. */
async function all(count: () => number, bytes: number): Promise<void> {
  for (const deadline = performance.now() + 30_000; count() < bytes && performance.now() < deadline; ) await setTimeout(20);
  assert.equal(count(), bytes);
}

async function settled(count: () => number): Promise<number> {
  for (let before = -1; before !== count(); await setTimeout(1000)) before = count();
  return count();
}

test('a whole answer passes a circuit: ten times what libp2p lets through by itself', async () => {
  const { relay, node } = await relayWith({});
  const [asker, hop] = [await node(), await node()];
  await pour(await open(await asker.reach(hop.self)), 1280 * 1024);
  await all(hop.received, 1280 * 1024);
  assert.equal(relay.circuits.ways, 1);
  assert.ok(relay.circuits.bytes > 1280 * 1024);
});

test('a peer that is not present gets no more than a handshake through', async () => {
  const strangers = new Set<string>();
  const { node } = await relayWith({ signallingBytes: 64 * 1024 }, (peer) => !strangers.has(peer));
  const [stranger, hop] = [await node(), await node()];
  strangers.add(stranger.self);
  const connection = await stranger.reach(hop.self);
  await pour(await open(connection), 1024 * 1024);
  assert.ok((await settled(hop.received)) < 64 * 1024);
  assert.notEqual(connection.status, 'open');
});

test('both directions are metered, each on who sends', async () => {
  const { relay, node } = await relayWith({ peerBytes: 300 * 1024, peerBytesPerSecond: 1 });
  const [one, other] = [await node(), await node()];
  const connection = await one.reach(other.self);
  await pour(await open(connection), 200 * 1024);
  await all(other.received, 200 * 1024);
  const back = await other.reach(one.self);
  await pour(await open(back), 200 * 1024);
  // The other has a purse of its own.
  await all(one.received, 200 * 1024);
  assert.equal(relay.circuits.ways, 2);
  await pour(await open(connection), 200 * 1024);
  assert.ok((await settled(other.received)) < 300 * 1024, 'and the first one’s is empty');
  assert.ok((await settled(() => relay.circuits.ways)) < 2);
});

test('a third circuit with data is closed where two are allowed, and new ones may come when one ends', async () => {
  const { relay, node } = await relayWith({ perPeer: 2 });
  const one = await node();
  const others = [await node(), await node(), await node()];
  const connections: Connection[] = [];
  for (const { self } of others) {
    const connection = await one.reach(self);
    connections.push(connection);
    await pour(await open(connection), 200 * 1024);
  }
  const received = [];
  for (const other of others) received.push((await settled(other.received)) === 200 * 1024);
  assert.deepEqual(received, [true, true, false]);
  await connections[0]!.close();
  assert.equal(await settled(() => relay.circuits.ways), 1);
});
