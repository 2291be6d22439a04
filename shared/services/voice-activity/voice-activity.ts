/**
 * Where speech is in a stream of audio. A session is one stream: orders bring the next samples, in pieces of any length; the
 * graph sees frames of `chunkSamples` and carries its recurrent state from one to the next.
 */
import type { ServiceType } from '../service-type.ts';
import { planVoiceGraph } from './plan-voice-graph.ts';
import {
  type VoiceOrder,
  type VoiceResult,
  type VoiceSettings,
  voiceOrderSchema,
  voiceResultSchema,
  voiceSettingsSchema,
} from './voice-schemas.ts';

export const voiceActivity: ServiceType<VoiceSettings, VoiceOrder, VoiceResult> = {
  name: 'voice-activity',
  settings: voiceSettingsSchema,
  order: voiceOrderSchema,
  result: voiceResultSchema,
  /** A minute of 16-bit samples at 16 kHz: one order keeps a provider's queue for about a second, not longer. */
  maxInputBytes: 2 * 1024 * 1024,
  unit: 'audio-ms',
  positionsPerUnit: 1,
  streaming: true,
  checkGraph(graph, settings) {
    planVoiceGraph(graph, settings);
  },
  /** The stream may hold almost a chunk from before, and its end is padded to a whole one. */
  mostUnits({ format, end }, inputBytes, { chunkSamples, sampleRate }) {
    const samples = chunkSamples - 1 + Math.ceil(inputBytes / (format === 's16le' ? 2 : 4));
    const chunks = end ? Math.ceil(samples / chunkSamples) : Math.floor(samples / chunkSamples);
    return Math.ceil((chunks * chunkSamples * 1000) / sampleRate);
  },
  /** Rounded down on the stream's clock and not per order, so that many small orders cost what one large one costs. */
  meter(_order, { startSample, probabilities, chunkSamples, sampleRate }) {
    const msUntil = (samples: number): number => Math.floor((samples * 1000) / sampleRate);
    return { unit: 'audio-ms', amount: msUntil(startSample + probabilities.length * chunkSamples) - msUntil(startSample) };
  },
};
