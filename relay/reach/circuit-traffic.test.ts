import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CircuitLimits, circuitLimits } from './circuit-limits.ts';
import { CircuitTraffic } from './circuit-traffic.ts';

const small: CircuitLimits = {
  ...circuitLimits,
  signallingBytes: 100,
  perPeer: 2,
  total: 3,
  peerBytes: 1000,
  peerBytesPerSecond: 10,
  allBytes: 2500,
  allBytesPerSecond: 10,
};

function traffic(limits: Partial<CircuitLimits> = {}, mayCarry = (_: string) => true) {
  const time = { ms: 0 };
  return { time, traffic: new CircuitTraffic({ limits: { ...small, ...limits }, now: () => time.ms, mayCarry }) };
}

test('signalling passes for everyone, present or not, and with circuits switched off', () => {
  const { traffic: closed } = traffic({ total: 0 }, () => false);
  for (const peer of ['a', 'b', 'c', 'd', 'e']) assert.equal(closed.open(peer).carry(100), null);
  assert.equal(closed.ways, 0);
  assert.match(closed.open('f').carry(101)!, /as many pairs/);
});

test('data passes only for peers that are present', () => {
  const { traffic: some } = traffic({}, (peer) => peer === 'here');
  assert.equal(some.open('here').carry(500), null);
  assert.match(some.open('stranger').carry(500)!, /not present/);
});

test('one peer has a few directions with data, all together have a number, and what is closed makes room', () => {
  const { traffic: few } = traffic();
  const [one, two, three] = [few.open('a'), few.open('a'), few.open('a')];
  assert.equal(one.carry(200), null);
  assert.equal(two.carry(200), null);
  assert.match(three.carry(200)!, /as many circuits as it may/);
  assert.equal(few.open('b').carry(200), null);
  const last = few.open('c');
  assert.match(last.carry(200)!, /as many pairs/);
  one.close();
  one.close();
  assert.equal(few.ways, 2);
  assert.equal(few.open('c').carry(200), null);
});

test('what a peer may send runs out, however many circuits and small portions it takes, and comes back with time', () => {
  const { traffic: metered, time } = traffic();
  for (let i = 0; i < 10; i++) {
    const way = metered.open('a');
    assert.equal(way.carry(100), null, `portion ${i}`);
    way.close();
  }
  assert.match(metered.open('a').carry(100)!, /more through the relay than it may/);
  assert.equal(metered.open('b').carry(100), null, 'others are not concerned');
  time.ms = 10_000;
  assert.equal(metered.open('a').carry(100), null);
  assert.match(metered.open('a').carry(100)!, /more through the relay than it may/);
});

test('many peers together get no more than the relay can carry', () => {
  const { traffic: metered, time } = traffic();
  const refused = ['a', 'b', 'c', 'd'].filter((peer) => metered.open(peer).carry(100 * 8) !== null);
  assert.equal(refused.length, 1);
  const ways = Array.from({ length: 100 }, (_, i) => metered.open(`p${i}`).carry(90));
  assert.ok(ways.some((why) => why && /as much as it can/.test(why)));
  time.ms = 60_000;
  assert.equal(metered.open('z').carry(90), null);
});

test('peers that are gone are forgotten', () => {
  const { traffic: metered, time } = traffic({ allBytes: 1e9 });
  for (let i = 0; i < 10_000; i++) {
    const way = metered.open(`p${i}`);
    way.carry(50);
    way.close();
    time.ms += 1000;
  }
  assert.ok(metered.peers < 20, `${metered.peers} peers are remembered`);
});
