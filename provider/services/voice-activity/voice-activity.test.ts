import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { planVoiceGraph } from '../../../shared/services/voice-activity/plan-voice-graph.ts';
import { voiceActivity } from '../../../shared/services/voice-activity/voice-activity.ts';
import {
  type VoiceOrder,
  type VoiceResult,
  type VoiceSettings,
  voiceResultSchema,
  voiceSettingsSchema,
} from '../../../shared/services/voice-activity/voice-schemas.ts';
import { fixtureBytes, fixtureJson } from '../../../testing/fixture-file.ts';
import { loadOrtNode } from '../../runtime/load-ort-node.ts';
import { createGraphService } from '../create-graph-service.ts';
import type { GraphExecutor } from '../graph-executor.ts';
import type { GraphSession } from '../service-runtime.ts';
import { runVoiceActivity } from './run-voice-activity.ts';

const speech = fixtureBytes('silero/speech-8s-16khz.s16le');
const reference = z
  .object({ probabilities: z.array(z.number()) })
  .parse(fixtureJson('silero/reference-probabilities.json')).probabilities;
const silero = await createGraphService({
  ort: loadOrtNode(),
  service: 'voice-activity',
  settings: {},
  graph: fixtureBytes('silero/silero_vad_16k_op15.onnx'),
  backends: ['wasm'],
});

async function run(session: GraphSession, input: Uint8Array, order: object = { format: 's16le' }): Promise<VoiceResult> {
  return voiceResultSchema.parse((await session.run(order, input)).result);
}

function assertClose(probabilities: number[], expected: number[]): void {
  assert.equal(probabilities.length, expected.length);
  probabilities.forEach((probability, chunk) => {
    assert.ok(Math.abs(probability - expected[chunk]!) < 1e-4, `chunk ${chunk}: ${probability}, reference ${expected[chunk]}`);
  });
}

test('Silero gives the reference probabilities on real speech, with no settings at all', async () => {
  const result = await run(silero.openSession(), speech);
  assertClose(result.probabilities, reference);
  assert.deepEqual([result.startSample, result.chunkSamples, result.sampleRate, result.backend], [0, 512, 16_000, 'wasm']);
  const spoken = result.speech.reduce((samples, { from, to }) => samples + to - from, 0);
  assert.equal(spoken, 512 * reference.filter((probability) => probability >= 0.5).length);
});

test('pieces of any length, in either format, give what one piece gives, and cost the same', async () => {
  const session = silero.openSession();
  const probabilities: number[] = [];
  const lengths = [1, 511, 512, 3, 5000, 513, 0, 20_000];
  let metered = 0;
  for (let at = 0, piece = 0; at < speech.length / 2; piece++) {
    const samples = speech.subarray(2 * at, 2 * (at + lengths[piece % lengths.length]!));
    const floats = new Float32Array(samples.length / 2);
    const view = new DataView(samples.buffer, samples.byteOffset, samples.length);
    floats.forEach((_, i) => {
      floats[i] = view.getInt16(2 * i, true) / 32_768;
    });
    const asFloats = piece % 2 === 1;
    const { result, meter } = await session.run(
      { format: asFloats ? 'f32le' : 's16le' },
      asFloats ? new Uint8Array(floats.buffer) : samples,
    );
    const part = voiceResultSchema.parse(result);
    assert.equal(part.startSample, 512 * probabilities.length);
    probabilities.push(...part.probabilities);
    assert.equal(meter.unit, 'audio-ms');
    metered += meter.amount;
    at += samples.length / 2;
  }
  assertClose(probabilities, reference);
  assert.equal(metered, 8000);
});

test('sessions on one graph do not hear each other, even at the same time', async () => {
  const [first, second] = [silero.openSession(), silero.openSession()];
  const half = speech.length / 2;
  const [, heardAfter, heardAlone] = await Promise.all([
    run(first, speech.subarray(0, half)),
    run(first, speech.subarray(half)),
    run(second, speech.subarray(0, half)),
  ]);
  assertClose(heardAlone.probabilities, reference.slice(0, 125));
  assertClose(heardAfter.probabilities, reference.slice(125));
  first.close();
  await assert.rejects(run(first, speech), { code: 'unknown_session' });
});

test('the end pads the last chunk with silence, and the session starts anew', async () => {
  const session = silero.openSession();
  const ended = await run(session, speech.subarray(0, 2 * 700), { format: 's16le', end: true });
  assert.equal(ended.probabilities.length, 2);
  const again = await run(session, speech.subarray(0, 2 * 1024));
  assert.equal(again.startSample, 0);
  assertClose(again.probabilities, reference.slice(0, 2));
});

test('a refused order leaves the stream where it was', async () => {
  const session = silero.openSession();
  await run(session, speech.subarray(0, 2 * 1000));
  await assert.rejects(run(session, speech.subarray(0, 3)), { code: 'bad_request' });
  await assert.rejects(run(session, new Uint8Array(new Float32Array([Number.NaN]).buffer), { format: 'f32le' }), {
    code: 'bad_request',
  });
  await assert.rejects(run(session, speech, { format: 'mp3' }), { code: 'bad_request' });
  await assert.rejects(run(session, new Uint8Array(2 * 1024 * 1024 + 2)), { code: 'bad_request' });
  const { probabilities } = await run(session, speech.subarray(2 * 1000, 2 * 5120));
  assertClose(probabilities, reference.slice(1, 10));
});

test('a graph that fails in the middle of an order changes nothing', async () => {
  let runs = 0;
  const flaky: GraphExecutor = {
    backend: 'wasm',
    signature: {
      inputs: [
        { name: 'input', type: 'float32', shape: [1, 16] },
        { name: 'h', type: 'float32', shape: [1, 1, 1] },
      ],
      outputs: [
        { name: 'p', type: 'float32', shape: [1, 1] },
        { name: 'hn', type: 'float32', shape: [1, 1, 1] },
      ],
    },
    // The state counts the steps, and the probability shows it.
    run: async (feeds) => {
      if (++runs === 2) throw new Error('lost');
      const count = Number(feeds.h!.data[0]) + 1;
      return { p: Float32Array.of(count / 100), hn: Float32Array.of(count) };
    },
    dispose: async () => {},
  };
  const settings = voiceSettingsSchema.parse({ chunkSamples: 16, contextSamples: 0 });
  const session = runVoiceActivity.prepare(flaky, settings)();
  const threeChunks = new Uint8Array(2 * 48);
  await assert.rejects(session.run({ format: 's16le', end: false }, threeChunks), /lost/);
  const { probabilities, startSample } = await session.run({ format: 's16le', end: false }, threeChunks);
  assert.equal(startSample, 0);
  assert.deepEqual(
    probabilities.map((probability) => Math.round(probability * 100)),
    [1, 2, 3],
  );
});

test('states are paired by name or shape, and what cannot be inferred must be said', () => {
  const float = (name: string, shape: (number | null)[]) => ({ name, type: 'float32', shape });
  const settings = (given: Partial<VoiceSettings> = {}) => voiceSettingsSchema.parse(given);
  const audio = float('x', [null, null]);
  const twoStates = {
    inputs: [audio, { name: 'sr', type: 'int64', shape: [1] }, float('h', [2, null, 64]), float('c', [2, null, 64])],
    outputs: [float('p', [null, 1]), float('hn', [2, null, 64]), float('cn', [2, null, 64])],
  };
  const plan = planVoiceGraph(twoStates, settings());
  assert.deepEqual(plan.states, [
    { input: 'h', output: 'hn', shape: [2, 1, 64] },
    { input: 'c', output: 'cn', shape: [2, 1, 64] },
  ]);
  assert.deepEqual([plan.audio, plan.audioShape, plan.probability], ['x', [1, 576], 'p']);
  assert.deepEqual(plan.sampleRate, { input: 'sr', shape: [1] });

  const unnamed = { ...twoStates, outputs: [float('p', [null, 1]), float('a', [2, null, 64]), float('b', [2, null, 64])] };
  assert.throws(() => planVoiceGraph(unnamed, settings()), /say "states"/i);
  const states = [
    { input: 'h', output: 'b' },
    { input: 'c', output: 'a' },
  ];
  assert.deepEqual(
    planVoiceGraph(unnamed, settings({ states })).states.map(({ output }) => output),
    ['b', 'a'],
  );
  const byShape = {
    inputs: [audio, float('memory', [4, 8])],
    outputs: [float('p', [1]), float('after', [4, 8])],
  };
  assert.throws(() => planVoiceGraph(byShape, settings()), /Which input is the audio/);
  assert.equal(planVoiceGraph(byShape, settings({ inputName: 'x' })).states[0]!.output, 'after');
  const fixed = { inputs: [float('x', [1, 512])], outputs: [float('p', [1])] };
  assert.throws(() => planVoiceGraph(fixed, settings()), /does not take 576 samples/);
  assert.equal(planVoiceGraph(fixed, settings({ contextSamples: 0 })).states.length, 0);
  assert.throws(
    () => planVoiceGraph({ ...fixed, outputs: [float('p', [1, 4])] }, settings({ contextSamples: 0 })),
    /not one probability/,
  );
});

test('metering rounds on the clock of the stream, so that splitting an order gains nothing', () => {
  const result: VoiceResult = {
    sampleRate: 44_100,
    chunkSamples: 512,
    startSample: 0,
    probabilities: [],
    speech: [],
    backend: 'wasm',
  };
  const order: VoiceOrder = { format: 's16le', end: false };
  let amount = 0;
  for (let chunk = 0; chunk < 1000; chunk++) {
    amount += voiceActivity.meter(order, { ...result, startSample: chunk * 512, probabilities: [0] }).amount;
  }
  assert.equal(amount, Math.floor((512_000 * 1000) / 44_100));
});

const folder = join(process.env.VESSEL_FIXTURES ?? '', 'onnx', 'silero_vad');
const skip = process.env.VESSEL_FIXTURES && existsSync(folder) ? false : 'set VESSEL_FIXTURES to the folder of larger fixtures';

test('all three Silero graphs agree with the reference over a minute of speech, without any settings', { skip }, async () => {
  const expected = z
    .object({ probabilities: z.array(z.number()) })
    .parse(JSON.parse(readFileSync(join(folder, 'reference_outputs.json'), 'utf8'))).probabilities;
  const minute = new Uint8Array(readFileSync(join(folder, 'test.wav'))).subarray(44);
  for (const file of ['silero_vad_16k_op15.onnx', 'silero_vad.onnx', 'silero_vad_op18_ifless.onnx']) {
    const graph = new Uint8Array(readFileSync(join(folder, file)));
    const service = await createGraphService({
      ort: loadOrtNode(),
      service: 'voice-activity',
      settings: {},
      graph,
      backends: ['wasm'],
    });
    assertClose((await run(service.openSession(), minute)).probabilities, expected);
    await service.dispose();
  }
});
