import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyHistory } from '../protocol/history.ts';
import { extendOrderHistory } from './order-history.ts';
import { requireServiceType } from './registry.ts';
import { meteredService, mostPositions, positionsOf } from './service-type.ts';

const voice = meteredService(requireServiceType('voice-activity'), { chunkSamples: 480, sampleRate: 22_050 });
const chunk = 480;

/** What an honest provider says of the next samples of a stream. */
function heard(stream: { at: number; rest: number }, samples: number, end: boolean) {
  const all = stream.rest + samples;
  const chunks = end ? Math.ceil(all / chunk) : Math.floor(all / chunk);
  const result = {
    sampleRate: 22_050,
    chunkSamples: chunk,
    startSample: stream.at,
    probabilities: Array.from({ length: chunks }, () => 0.5),
    speech: [],
    backend: 'wasm',
  };
  stream.at = end ? 0 : stream.at + chunks * chunk;
  stream.rest = end ? 0 : all - chunks * chunk;
  return { result, chunks };
}

test('an order of audio never comes to more than was said before, whatever the pieces; together they come to the clock', () => {
  const stream = { at: 0, rest: 0 };
  let sum = 0;
  for (let piece = 0; piece < 2000; piece++) {
    const samples = (piece * 7919) % 1500;
    const order = { format: piece % 2 ? 's16le' : 'f32le' };
    const bytes = samples * (piece % 2 ? 2 : 4);
    const { result } = heard(stream, samples, false);
    const positions = positionsOf(voice, order, bytes, result);
    assert.ok(positions <= mostPositions(voice, order, bytes));
    sum += positions;
  }
  assert.equal(sum, Math.floor((stream.at * 1000) / 22_050));
  for (const samples of [0, 1, 479, 480, 481]) {
    for (let rest = 0; rest < chunk; rest += 53) {
      const { result } = heard({ at: 0, rest }, samples, true);
      positionsOf(voice, { format: 's16le', end: true }, 2 * samples, result);
    }
  }
});

test('a picture is one unit, whatever its size; an order that breaks the rules has no price', () => {
  const digits = meteredService(requireServiceType('image-classification'), {});
  const order = { format: 'gray8', width: 28, height: 28 };
  assert.equal(mostPositions(digits, order, 784), 100);
  assert.equal(positionsOf(digits, order, 784, { labels: [{ index: 7, score: 1 }], backend: 'wasm' }), 100);
  assert.throws(() => mostPositions(digits, { format: 'png' }, 784), { code: 'bad_request' });
  assert.throws(() => meteredService(requireServiceType('image-classification'), { std: [0] }), { code: 'bad_checkpoint' });
});

test('a result of another form, or of more work than the order can be, has no price', () => {
  const order = { format: 's16le' };
  const { result } = heard({ at: 0, rest: 0 }, 5 * chunk, false);
  assert.throws(() => positionsOf(voice, order, 2 * 3 * chunk, result), { code: 'bad_output', message: /more work/ });
  assert.throws(() => positionsOf(voice, order, 2 * 5 * chunk, { ...result, advert: 1 }), { code: 'bad_output' });
});

test('[PY14] both sides hash the same orders to the same word: by order, bytes and result, in any spelling of the JSON', () => {
  const input = Uint8Array.of(1, 2, 3);
  const one = extendOrderHistory(emptyHistory, { a: 1, b: undefined, c: [1.5, -0] }, input, { y: 2, x: 'ö' });
  assert.deepEqual(extendOrderHistory(emptyHistory, { c: [1.5, 0], a: 1 }, input, { x: 'ö', y: 2 }), one);
  assert.equal(one.byteLength, 32);
  const others = [
    extendOrderHistory(one, { a: 1, c: [1.5, 0] }, input, { y: 2, x: 'ö' }),
    extendOrderHistory(emptyHistory, { a: 2, c: [1.5, 0] }, input, { y: 2, x: 'ö' }),
    extendOrderHistory(emptyHistory, { a: 1, c: [1.5, 0] }, input.slice(1), { y: 2, x: 'ö' }),
    extendOrderHistory(emptyHistory, { a: 1, c: [1.5, 0] }, input, { y: 3, x: 'ö' }),
  ];
  assert.equal(new Set([one, ...others].map((hash) => hash.toString())).size, 5);
});
