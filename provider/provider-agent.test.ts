import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../shared/protocol/limits.ts';
import type { PresenceClientMessage } from '../shared/protocol/presence-messages.ts';
import { peerName } from '../testing/fake-links.ts';
import { hopUnderTest, leaseFor, openMessage, say, testModel } from '../testing/hop-under-test.ts';
import { ProviderAgent } from './provider-agent.ts';

async function agentUnderTest() {
  const place = await hopUnderTest(0, 6);
  const sent: PresenceClientMessage[] = [];
  const agent = new ProviderAgent({
    provider: place.hop.core,
    capability: { backend: 'wasm', adapter: 'test', f16: false, memoryBytes: 1e9 },
    clock: place.wires.clock,
    send: (message) => sent.push(message),
    connect: async () => undefined,
    links: () => [[peerName('after'), 12]],
  });
  return { place, agent, sent };
}

test('[PR19] a provider offers itself at every welcome and beats once a second, with what it holds', async () => {
  const { place, agent, sent } = await agentUnderTest();
  agent.welcomed();
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['offer', 'heartbeat'],
  );
  for (let beat = 0; beat < 3; beat++) place.wires.pass(limits.heartbeatMs);
  assert.equal(sent.length, 5);
  const shards = [{ model: testModel.id, from: 0, to: 6, phase: 'ready', progress: 1 }];
  const rest = { sessions: 0, slots: limits.maxSessionsPerProvider, stepMs: null, links: [[peerName('after'), 12]] };
  assert.deepEqual(sent.at(-1), { type: 'heartbeat', state: 'sharing', shards, ...rest });
  agent.welcomed();
  assert.equal(sent.at(-2)?.type, 'offer');
});

test('[PR19] it follows assign, lease and release, and says goodbye when it leaves', async () => {
  const { place, agent, sent } = await agentUnderTest();
  const open = openMessage(0, 6);
  agent.receive({ type: 'lease', ...leaseFor(open) });
  await say(place, open);
  assert.deepEqual(place.asker.story, ['opened']);
  agent.receive({ type: 'release', session: open.session });
  assert.equal(place.hop.core.status().sessions, 0);
  agent.receive({ type: 'assign', shards: [] });
  await place.wires.settle();
  assert.deepEqual(place.hop.core.status().shards, []);
  agent.leave();
  assert.deepEqual(
    sent.slice(-2).map((message) => (message.type === 'heartbeat' ? message.state : message.type)),
    ['leaving', 'withdraw'],
  );
  assert.equal(place.wires.time.waiting, 0);
});
