import { VesselError } from '../../../shared/protocol/errors.ts';
import type { VoiceOrder } from '../../../shared/services/voice-activity/voice-schemas.ts';

/** Mono samples as floats in [-1, 1]. Throws `bad_request` for half a sample or a float that is no number. */
export function pcmSamples(format: VoiceOrder['format'], bytes: Uint8Array): Float32Array {
  const sampleBytes = format === 's16le' ? 2 : 4;
  if (bytes.byteLength % sampleBytes !== 0) {
    throw new VesselError('bad_request', `${bytes.byteLength} bytes are not whole samples of ${format}.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength / sampleBytes);
  for (let i = 0; i < samples.length; i++) {
    samples[i] = format === 's16le' ? view.getInt16(2 * i, true) / 32_768 : view.getFloat32(4 * i, true);
  }
  if (!samples.every(Number.isFinite)) throw new VesselError('bad_request', 'The audio holds NaN or infinity.');
  return samples;
}
