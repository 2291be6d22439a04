/** Audio of one session in several orders, cut as the first bytes say. However it is cut, every whole chunk is heard once. */
import { equal } from 'node:assert/strict';
import { runVoiceActivity } from '../../provider/services/voice-activity/run-voice-activity.ts';
import { voiceSettingsSchema } from '../../shared/services/voice-activity/voice-schemas.ts';
import type { BytesTarget } from '../engine/target.ts';
import { graphOf } from '../samples/fixed-graph.ts';

const settings = voiceSettingsSchema.parse({ chunkSamples: 16, contextSamples: 4 });
const graph = graphOf(
  [
    { name: 'input', type: 'float32', shape: [null, 20] },
    { name: 'state', type: 'float32', shape: [2, null, 3] },
    { name: 'sr', type: 'int64', shape: [] },
  ],
  [
    { name: 'output', type: 'float32', shape: [1, 1] },
    { name: 'stateN', type: 'float32', shape: [2, null, 3] },
  ],
  (name) => (name === 'output' ? [0.75] : new Array(6).fill(0.5)),
);
const open = runVoiceActivity.prepare(graph, settings);

export const target: BytesTarget = {
  name: 'voice-order',
  form: 'bytes',
  maxLength: 2048,
  seeds: [Uint8Array.from({ length: 130 }, (_, i) => i), Uint8Array.of(1, 0, 0, 0, 0, 0, 0x80, 0x3f), new Uint8Array(0)],
  refusals: ['bad_request'],
  async decode(bytes) {
    const format = (bytes[0] ?? 0) % 2 === 0 ? ('s16le' as const) : ('f32le' as const);
    const sampleBytes = format === 's16le' ? 2 : 4;
    const cut = 1 + (bytes[1] ?? 0);
    const session = open();
    let chunks = 0;
    const audio = bytes.subarray(2);
    for (let at = 0; at < audio.length; at += cut * sampleBytes) {
      const part = await session.run({ format, end: false }, audio.subarray(at, at + cut * sampleBytes));
      chunks += part.probabilities.length;
    }
    equal(chunks, Math.floor(audio.length / sampleBytes / settings.chunkSamples));
    const last = await session.run({ format, end: true }, new Uint8Array(0));
    return `${format} ${last.probabilities.length}`;
  },
};
