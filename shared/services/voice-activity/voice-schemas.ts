/** Settings, order and result of voice activity. */
import { z } from 'zod';

export const voiceSettingsSchema = z.strictObject({
  /** Audio input. Default: the float input without a matching output. */
  inputName: z.string().optional(),
  /** Probability output. Default: the output that is no state. */
  outputName: z.string().optional(),
  /** Input that is told the sample rate. Default: the int64 scalar, if there is one. */
  sampleRateName: z.string().optional(),
  /** Which output is fed back into which input. Default: paired by name, then by shape. */
  states: z
    .array(z.strictObject({ input: z.string(), output: z.string() }))
    .max(16)
    .optional(),
  /** Samples per second. */
  sampleRate: z.number().int().min(1000).max(192_000).default(16_000),
  /** New samples per step. 512 and 64 are Silero's at 16 kHz. */
  chunkSamples: z.number().int().min(16).max(65_536).default(512),
  /** Samples of the previous chunk put before the new ones; zeros at the start. */
  contextSamples: z.number().int().min(0).max(65_536).default(64),
  /** Probability from which a chunk counts as speech. */
  threshold: z.number().min(0).max(1).default(0.5),
});
export type VoiceSettings = z.infer<typeof voiceSettingsSchema>;

/** The attachment holds mono samples: 16-bit integers or floats in [-1, 1], little-endian. */
export const voiceOrderSchema = z.strictObject({
  format: z.enum(['s16le', 'f32le']),
  /** The stream ends here: what is left is padded with silence, and the session starts anew. */
  end: z.boolean().default(false),
});
export type VoiceOrder = z.infer<typeof voiceOrderSchema>;

const sample = z.number().int().min(0);

export const voiceResultSchema = z.strictObject({
  sampleRate: z.number().int().positive(),
  chunkSamples: z.number().int().positive(),
  /** Where in the stream the first of these chunks starts. */
  startSample: sample,
  /** One per chunk that became complete. */
  probabilities: z.array(z.number().min(0).max(1)),
  /** Runs of chunks at or above the threshold; [from, to) in samples of the stream, within these chunks. */
  speech: z.array(z.strictObject({ from: sample, to: sample })),
  backend: z.enum(['webgpu', 'wasm']),
});
export type VoiceResult = z.infer<typeof voiceResultSchema>;
