/** Providers of services that leave, by their own word or by force. */
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, test } from 'node:test';
import { connect } from '../../sdk/index.ts';
import { endWebRtc } from '../../testing/end-webrtc.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';
import { ServiceNetwork, serviceNames, until } from './service-network.ts';

const order = { format: 'gray8', width: 28, height: 28 };
const digit = fixtureBytes('mnist/images-200x28x28.u8').slice(0, 784);
const manyOrders = { orders: Array.from({ length: 200 }, () => ({ order, input: Buffer.from(digit).toString('base64') })) };

let network: ServiceNetwork;
beforeEach(async () => {
  network = await ServiceNetwork.start({ withLanguage: false });
});
afterEach(() => network.close());
after(endWebRtc);

test('a provider that leaves: its session says provider_lost, its services move, the next session works', async () => {
  for (let i = 0; i < 3; i++) await network.addProvider();
  await until(() => serviceNames.every((name) => network.holders(name).length === 2));
  const vessel = await connect({ relay: network.relay.url });
  const session = await vessel.service('digits');
  await session.run(order, digit);
  const leaving = network.providers.find(({ peer }) => peer === session.provider)!;
  await leaving.stop();
  await assert.rejects(session.run(order, digit), { code: 'provider_lost' });
  session.close();
  await until(() => serviceNames.every((name) => network.holders(name).length === 2));
  assert.ok(!network.holders('digits').includes(leaving.peer));
  const next = await vessel.service('digits');
  assert.notEqual(next.provider, leaving.peer);
  await next.run(order, digit);
  next.close();
  await vessel.close();
});

test('a provider process killed in the middle of a request or a session ends it with provider_lost', async () => {
  // It rests 99 % of the time: the orders below would take it far longer than it lives.
  const provider = await network.addProcess(0.01);
  await until(() => network.holders('digits').includes(provider.peer));
  const vessel = await connect({ relay: network.relay.url });
  const session = await vessel.service('digits');
  await session.run(order, digit);
  const running = Promise.allSettled(Array.from({ length: 200 }, () => session.run(order, digit)));
  const asked = network.post('/v1/services/digits', manyOrders);
  await until(() => network.relay.coordinator.sessions === 2);
  provider.kill();
  const response = await asked;
  assert.deepEqual([response.status, (await response.json()).error.code], [503, 'provider_lost']);
  const last = (await running).at(-1)!;
  assert.ok(last.status === 'rejected' && last.reason.code === 'provider_lost', JSON.stringify(last));
  session.close();
  await until(() => network.relay.coordinator.sessions === 0 && network.relay.coordinator.providers === 0);
  const { data } = await (await fetch(`${network.relay.url}/v1/services`)).json();
  assert.ok(data.every(({ vessel: { ready } }: { vessel: { ready: boolean } }) => !ready));
  await vessel.close();
});
