/** Services in a real tab: the page as it is served, one graph on WebGPU and one that the tab declares as wasm; free, and paid for. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { ensurePage } from '../../relay/cli/ensure-page.ts';
import { openProviderTabs, type ProviderTabs } from '../../relay/cli/provider-tabs.ts';
import { connect } from '../../sdk/index.ts';
import { imageResultSchema } from '../../shared/services/image-classification/image-schemas.ts';
import { voiceResultSchema } from '../../shared/services/voice-activity/voice-schemas.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { endWebRtc } from '../../testing/end-webrtc.ts';
import { fixtureBytes, fixtureJson } from '../../testing/fixture-file.ts';
import { ServiceNetwork, serviceNames, until } from './service-network.ts';

const pixels = fixtureBytes('mnist/images-200x28x28.u8');
const labels = fixtureBytes('mnist/labels-200.u8');
const order = { format: 'gray8', width: 28, height: 28 };
const digit = (index: number) => pixels.slice(index * 784, (index + 1) * 784);

let network: ServiceNetwork;
let tabs: ProviderTabs;
before(async () => {
  if (skipWithoutBrowser) return;
  const pageFolder = await ensurePage({ stderr: process.stderr });
  network = await ServiceNetwork.start({ pageFolder, withLanguage: false });
  tabs = await openProviderTabs(network.relay.url, { backend: 'webgpu', memoryBytes: 1e9 }, (note) => console.error(note));
  await tabs.open();
  await Promise.race([until(() => serviceNames.every((name) => network.holders(name).length === 1)), tabs.failed]);
});
after(async () => {
  await tabs?.close();
  await network?.close();
  endWebRtc();
});

test('a tab reads digits on WebGPU, over HTTP and through the SDK', { skip: skipWithoutBrowser }, async () => {
  const orders = Array.from({ length: 10 }, (_, index) => ({ order, input: Buffer.from(digit(index)).toString('base64') }));
  const { results } = await (await network.post('/v1/services/digits', { orders })).json();
  const vessel = await connect({ relay: network.relay.url });
  const session = await vessel.service('digits');
  const answers = await Promise.all(orders.map((_, index) => session.run(order, digit(index))));
  for (const all of [results, answers]) {
    assert.deepEqual(
      all.map(({ result }: { result: unknown }) => imageResultSchema.parse(result).labels[0]!.index),
      [...labels.subarray(0, 10)],
    );
    assert.ok(all.every(({ backend }: { backend: string }) => backend === 'webgpu'));
  }
  await assert.rejects(session.run(order, new Uint8Array(3)), { code: 'bad_request' });
  await session.run(order, digit(0));
  session.close();
  await vessel.close();
});

test('a graph without GPU kernels runs on wasm in the same tab, and says so', { skip: skipWithoutBrowser }, async () => {
  const { probabilities } = z
    .object({ probabilities: z.array(z.number()) })
    .parse(fixtureJson('silero/reference-probabilities.json'));
  const input = Buffer.from(fixtureBytes('silero/speech-8s-16khz.s16le')).toString('base64');
  const { result, backend } = await (await network.post('/v1/services/voice', { order: { format: 's16le' }, input })).json();
  assert.equal(backend, 'wasm');
  const heard = voiceResultSchema.parse(result).probabilities;
  assert.equal(heard.length, probabilities.length);
  heard.forEach((probability, chunk) => {
    assert.ok(Math.abs(probability - probabilities[chunk]!) < 1e-4, `chunk ${chunk}`);
  });
});

test('in a paid network a tab earns with what it was metered, and signs for it', {
  skip: skipWithoutBrowser || skipWithoutAnvil,
}, async () => {
  const chain = await openChainUnderTest();
  const paid = await ServiceNetwork.start({
    pageFolder: await ensurePage({ stderr: process.stderr }),
    withLanguage: false,
    chain: chain.relayChain,
    housePayer: chain.payer,
    payments: { epochMs: 1e9, tickMs: 1e9 },
  });
  const lent = await openProviderTabs(paid.relay.url, { backend: 'wasm', memoryBytes: 1e9 }, (note) => console.error(note));
  try {
    await lent.open();
    await Promise.race([until(() => serviceNames.every((name) => paid.holders(name).length === 1)), lent.failed]);
    const { secret } = await paid.relay.keys.create({ name: 'mine' });
    const ask = async (path: string, body: object) =>
      (await paid.post(`/v1/services/${path}`, body, { authorization: `Bearer ${secret}` })).json();
    const orders = [0, 1, 2].map((index) => ({ order, input: Buffer.from(digit(index)).toString('base64') }));
    const seen = await ask('digits', { orders });
    const input = Buffer.from(fixtureBytes('silero/speech-8s-16khz.s16le').subarray(0, 64_000)).toString('base64');
    const heard = await ask('voice', { order: { format: 's16le' }, input });
    const { prompt } = paid.relay.payments!.terms.ask;
    const compute = [300n * prompt, BigInt(heard.meter.amount) * prompt];
    // Nothing is listed here: the tab, and the network's 5 %.
    assert.deepEqual(
      [seen.price, heard.price],
      compute.map((amount) => ((amount * 105n) / 100n).toString()),
    );
    const { coordinator } = paid.relay;
    const { hops, session } = await coordinator.match({ model: 'digits', tokens: 1, asker: 'nobody' });
    coordinator.release(session, 'nobody');
    const { earned } = await (await fetch(`${paid.relay.url}/v1/accounts/${hops[0]!.account}/earnings`)).json();
    assert.equal(earned, (compute[0]! + compute[1]!).toString());
    const report = await paid.relay.checkBooks!();
    assert.deepEqual([report.faults, report.difference, report.counts.answers], [[], 0n, 2]);
  } finally {
    await lent.close();
    await paid.close();
    await chain.close();
  }
});
