/** Services over a whole network: relay, providers and askers as they are, with real graphs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { connect, type Vessel } from '../../sdk/index.ts';
import { imageResultSchema } from '../../shared/services/image-classification/image-schemas.ts';
import { voiceResultSchema } from '../../shared/services/voice-activity/voice-schemas.ts';
import { endWebRtc } from '../../testing/end-webrtc.ts';
import { fixtureBytes, fixtureJson } from '../../testing/fixture-file.ts';
import { ServiceNetwork, serviceNames, until } from './service-network.ts';

const pixels = fixtureBytes('mnist/images-200x28x28.u8');
const labels = fixtureBytes('mnist/labels-200.u8');
const speech = fixtureBytes('silero/speech-8s-16khz.s16le');
const { probabilities: reference } = z
  .object({ probabilities: z.array(z.number()) })
  .parse(fixtureJson('silero/reference-probabilities.json'));
const digit = (index: number) => pixels.slice(index * 784, (index + 1) * 784);
const order = { format: 'gray8', width: 28, height: 28 };
const best = (result: unknown) => imageResultSchema.parse(result).labels[0]!.index;

let network: ServiceNetwork;
let vessel: Vessel;
before(async () => {
  network = await ServiceNetwork.start();
  await network.addProvider();
  await network.addProvider();
  vessel = await connect({ relay: network.relay.url });
  await until(() => network.relay.coordinator.view().models.every(({ ready }) => ready));
  await until(() => serviceNames.every((name) => network.holders(name).length === 2));
});
after(async () => {
  await vessel?.close();
  await network?.close();
  endWebRtc();
});

function assertClose(probabilities: number[], expected: number[]): void {
  assert.equal(probabilities.length, expected.length);
  probabilities.forEach((probability, chunk) => {
    assert.ok(Math.abs(probability - expected[chunk]!) < 1e-4, `chunk ${chunk}: ${probability}, reference ${expected[chunk]}`);
  });
}

test('digits are read over plain HTTP, one per request as bytes and many in one request as JSON', async () => {
  const headers = { 'content-type': 'application/octet-stream', 'vessel-order': JSON.stringify(order) };
  const url = `${network.relay.url}/v1/services/digits`;
  for (let index = 0; index < 5; index++) {
    const response = await fetch(url, { method: 'POST', headers, body: digit(index) });
    const { result, meter, backend, provider } = await response.json();
    assert.deepEqual([best(result), meter, backend], [labels[index], { unit: 'image', amount: 1 }, 'wasm']);
    assert.ok(network.holders('digits').includes(provider));
  }
  const orders = Array.from({ length: 50 }, (_, index) => ({ order, input: Buffer.from(digit(index)).toString('base64') }));
  const { results } = await (await network.post('/v1/services/digits', { orders })).json();
  const right = results.filter(({ result }: { result: unknown }, index: number) => best(result) === labels[index]).length;
  assert.ok(right >= 49, `${right} of 50`);
});

test('digits are read through the SDK, all orders sent at once', async () => {
  const session = await vessel.service('digits');
  const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => session.run(order, digit(index))));
  const right = answers.filter(({ result }, index) => best(result) === labels[index]).length;
  assert.ok(right >= 196, `${right} of 200`);
  session.close();
  await until(() => network.relay.coordinator.sessions === 0);
});

test('speech in pieces of odd lengths, in one SDK session, gives the reference probabilities', async () => {
  const session = await vessel.service('voice');
  const lengths = [1, 511, 700, 3, 5000, 513, 20_001];
  const pieces: Uint8Array[] = [];
  for (let at = 0, piece = 0; at < speech.length; piece++) {
    const bytes = 2 * lengths[piece % lengths.length]!;
    pieces.push(speech.subarray(at, at + bytes));
    at += bytes;
  }
  const answers = await Promise.all(pieces.map((piece) => session.run({ format: 's16le' }, piece)));
  const heard = answers.map(({ result }) => voiceResultSchema.parse(result));
  assertClose(
    heard.flatMap(({ probabilities }) => probabilities),
    reference,
  );
  assert.equal(
    answers.reduce((sum, { meter }) => sum + meter.amount, 0),
    8000,
  );
  session.close();
});

test('speech in one HTTP request, as one order and as several, gives the reference probabilities', async () => {
  const whole = { order: { format: 's16le' }, input: Buffer.from(speech).toString('base64') };
  const { result } = await (await network.post('/v1/services/voice', whole)).json();
  assertClose(voiceResultSchema.parse(result).probabilities, reference);
  const cut = 2 * 33_333;
  const orders = [speech.subarray(0, cut), speech.subarray(cut)].map((piece) => ({
    order: { format: 's16le' },
    input: Buffer.from(piece).toString('base64'),
  }));
  const { results } = await (await network.post('/v1/services/voice', { orders })).json();
  assertClose(
    results.flatMap((one: { result: unknown }) => voiceResultSchema.parse(one.result).probabilities),
    reference,
  );
});

test('sessions of one asker on one provider share a link and never mix their bytes', async () => {
  const sessions = await Promise.all(Array.from({ length: 6 }, () => vessel.service('digits')));
  const answers = await Promise.all(
    Array.from({ length: 120 }, (_, index) => sessions[index % 6]!.run(order, digit(index)).then(({ result }) => best(result))),
  );
  const right = answers.filter((read, index) => read === labels[index]).length;
  assert.ok(right >= 117, `${right} of 120`);
  for (const session of sessions) session.close();
});

test('a bad order is refused by itself, also among good ones under way; the session goes on', async () => {
  const session = await vessel.service('voice');
  const [first, odd, unknown, second] = await Promise.allSettled([
    session.run({ format: 's16le' }, speech.subarray(0, 2 * 1000)),
    session.run({ format: 's16le' }, speech.subarray(0, 3)),
    session.run({ format: 'mp3' }, speech.subarray(0, 10)),
    session.run({ format: 's16le' }, speech.subarray(2 * 1000, 2 * 5120)),
  ]);
  for (const refused of [odd, unknown]) {
    assert.ok(refused.status === 'rejected' && refused.reason.code === 'bad_request', JSON.stringify(refused));
  }
  const heard = [first, second].flatMap((good) => {
    assert.ok(good.status === 'fulfilled');
    return voiceResultSchema.parse(good.value.result).probabilities;
  });
  assertClose(heard, reference.slice(0, 10));
  await assert.rejects(session.run({ format: 's16le' }, new Uint8Array(17 * 1024 * 1024)), { code: 'bad_request' });
  await session.run({ format: 's16le' }, new Uint8Array(0));
  session.close();
  await assert.rejects(session.run({ format: 's16le' }, new Uint8Array(0)), { code: 'cancelled' });
});

test('an order the provider alone can judge is refused over HTTP by name', async () => {
  const response = await network.post('/v1/services/digits', { order: { ...order, width: 29 }, input: '' });
  const { error } = await response.json();
  assert.deepEqual([response.status, error.code, error.param], [400, 'bad_request', 'order']);
  assert.match(error.message, /812 bytes/);
});

test('names are told apart: unknown, language model, oversize input', async () => {
  await assert.rejects(vessel.service('nothing'), { code: 'model_not_found' });
  await assert.rejects(vessel.service('vessel-tiny'), { code: 'bad_request', message: /language model/ });
  const status = async (path: string, body: unknown) => (await network.post(path, body)).status;
  assert.equal(await status('/v1/services/nothing', { order, input: '' }), 404);
  assert.equal(await status('/v1/services/vessel-tiny', { order, input: '' }), 400);
  const headers = { 'content-type': 'application/octet-stream', 'vessel-order': JSON.stringify({ format: 's16le' }) };
  const body = new Uint8Array(2 * 1024 * 1024 + 2);
  const oversize = await fetch(`${network.relay.url}/v1/services/voice`, { method: 'POST', headers, body });
  assert.equal(oversize.status, 413);
  await until(() => network.relay.coordinator.sessions === 0);
});

test('the language model answers while both services work, and is the only one under /v1/models', async () => {
  const question = {
    model: 'vessel-tiny',
    temperature: 0,
    max_tokens: 12,
    messages: [{ role: 'user', content: 'What is WebGPU?' }],
  };
  const chat = async () => (await (await network.post('/v1/chat/completions', question)).json()).choices[0].message.content;
  const alone = await chat();
  assert.ok(alone.length > 0);
  const voice = await vessel.service('voice');
  const [together, digits, heard] = await Promise.all([
    chat(),
    network.post('/v1/services/digits', {
      orders: Array.from({ length: 40 }, () => ({ order, input: Buffer.from(digit(0)).toString('base64') })),
    }),
    voice.run({ format: 's16le' }, speech),
  ]);
  assert.equal(together, alone);
  assert.ok((await digits.json()).results.every(({ result }: { result: unknown }) => best(result) === labels[0]));
  assertClose(voiceResultSchema.parse(heard.result).probabilities, reference);
  voice.close();
  const { data } = await (await fetch(`${network.relay.url}/v1/models`)).json();
  assert.deepEqual(
    data.map(({ id }: { id: string }) => id),
    ['vessel-tiny'],
  );
});

test('an asker that aborts frees the session, whatever it was doing', async () => {
  const controller = new AbortController();
  const session = await vessel.service('voice', { signal: controller.signal });
  const running = Promise.allSettled(Array.from({ length: 10 }, () => session.run({ format: 's16le' }, speech)));
  controller.abort();
  for (const outcome of await running) assert.ok(outcome.status === 'rejected' && outcome.reason.code === 'cancelled');
  await assert.rejects(vessel.service('voice', { signal: controller.signal }), { code: 'cancelled' });
  await until(() => network.relay.coordinator.sessions === 0);
  await until(() => network.providers.every((provider) => provider.status().sessions === 0));
});

test('metrics count orders and units by service', async () => {
  const text = await (await fetch(`${network.relay.url}/metrics`)).text();
  const value = (line: string) =>
    Number(
      text
        .split('\n')
        .find((one) => one.startsWith(line))
        ?.split(' ')
        .at(-1),
    );
  assert.ok(value('vessel_service_orders_total{service="image-classification",outcome="done"}') >= 95);
  assert.equal(value('vessel_service_orders_total{service="image-classification",outcome="bad_request"}'), 1);
  assert.equal(value('vessel_service_units_total{service="voice-activity",unit="audio-ms"}'), 16_000);
});
