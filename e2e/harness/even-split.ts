/** Layers per part; the first parts take one more where the layers do not divide. */
export function evenSplit(layers: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor(layers / parts) + (i < layers % parts ? 1 : 0));
}
