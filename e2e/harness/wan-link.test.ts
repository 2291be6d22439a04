import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { seededRandom, WanLink } from './wan-link.ts';
import { WanTcp } from './wan-tcp.ts';

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('a stream arrives whole and in order, whatever the line does to its segments', async () => {
  const direction = new WanLink({ delayMs: 5, jitterMs: 20, loss: 0.2 }, seededRandom(7)).direction();
  const arrived: number[] = [];
  for (let i = 0; i < 200; i++) direction.piece(1, () => arrived.push(i));
  while (arrived.length < 200) await later(10);
  assert.deepEqual(
    arrived,
    [...arrived].sort((a, b) => a - b),
  );
});

test('of datagrams about the given share is lost, some overtake others, and a partition lets none through', async () => {
  const link = new WanLink({ jitterMs: 20, loss: 0.1 }, seededRandom(7));
  const direction = link.direction();
  const arrived: number[] = [];
  for (let i = 0; i < 1000; i++) direction.packet(100, () => arrived.push(i));
  assert.ok(link.dropped > 60 && link.dropped < 140, `${link.dropped} of 1000`);
  while (arrived.length < 1000 - link.dropped) await later(10);
  assert.notDeepEqual(
    arrived,
    [...arrived].sort((a, b) => a - b),
  );
  link.conditions = { ...link.conditions, isOpen: false };
  direction.packet(100, () => assert.fail('a packet crossed the partition'));
  await later(50);
});

test('a narrow line delays what is sent at once, and drops what its queue cannot hold', async () => {
  const link = new WanLink({ bytesPerSecond: 10_000 }, seededRandom(1));
  const direction = link.direction();
  const began = performance.now();
  const at: number[] = [];
  for (let i = 0; i < 10; i++) direction.packet(1000, () => at.push(performance.now() - began));
  assert.equal(link.dropped, 5, 'half a second holds 5,000 bytes');
  while (at.length < 5) await later(10);
  assert.ok(at[4]! >= 490, `the fifth packet came after ${at[4]} ms`);
});

test('bytes pass the TCP proxy unchanged, both ways', async () => {
  const echo = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const link = new WanLink({ delayMs: 3, jitterMs: 10, loss: 0.01 }, seededRandom(3));
  const proxy = await WanTcp.before((echo.address() as { port: number }).port, link);
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251));
  const got: Buffer[] = [];
  const ended = new Promise((resolve) => socket.on('data', (data) => got.push(data)).on('end', resolve));
  socket.end(sent);
  await ended;
  assert.ok(Buffer.concat(got).equals(sent));
  proxy.close();
  echo.close();
});
