/** Which blobs a layer range needs: what a provider fetches and what the relay counts. */
import type { LanguageManifest, WeightBlob } from './manifest.ts';

export interface LayerRange {
  from: number;
  to: number;
}

export function languageShardBlobs(manifest: LanguageManifest, { from, to }: LayerRange): WeightBlob[] {
  const { layers, tiedEmbedding } = manifest.architecture;
  const blobs = manifest.layers.slice(from, to);
  const isLast = to === layers;
  if (from === 0 || (isLast && tiedEmbedding)) blobs.unshift(manifest.embedding);
  if (isLast) blobs.push(manifest.head);
  return blobs;
}

/**
 * Bytes of a blob's tensors once they are in memory. `expanded`: as f32, which is what hops without f16 arithmetic and all wasm
 * hops compute with; q4 and q8 stay packed on WebGPU.
 */
export function blobMemoryBytes(blob: WeightBlob): number {
  let bytes = 0;
  for (const { dtype, shape, length } of Object.values(blob.tensors)) {
    const elements = shape.reduce((product, size) => product * size, 1);
    // A packed tensor holds 1 or 2 weights a byte; a q4 one expands eightfold. Both sides plan with the larger figure.
    bytes += dtype === 'u8' ? length * 8 : elements * 4;
  }
  return bytes;
}

export function languageShardBytes(manifest: LanguageManifest, range: LayerRange): number {
  return languageShardBlobs(manifest, range).reduce((sum, blob) => sum + blobMemoryBytes(blob), 0);
}
