/**
 * Bilinear resize with pixel centres at half coordinates and edges repeated, as OpenCV's INTER_LINEAR and torch's
 * `align_corners=False` without antialiasing. An equal size gives equal pixels.
 *
 * @param pixels row-major [height, width, channels]
 * @returns row-major [toHeight, toWidth, channels], same scale as the input
 */
export function resizeBilinear(
  pixels: Uint8Array,
  from: { width: number; height: number },
  to: { width: number; height: number },
  channels: number,
): Float32Array {
  const columns = taps(from.width, to.width);
  const rows = taps(from.height, to.height);
  const resized = new Float32Array(to.width * to.height * channels);
  let at = 0;
  for (const row of rows) {
    const upper = row.first * from.width;
    const lower = row.second * from.width;
    for (const column of columns) {
      for (let channel = 0; channel < channels; channel++) {
        const pixel = (start: number, x: number): number => pixels[(start + x) * channels + channel]!;
        const above = mix(pixel(upper, column.first), pixel(upper, column.second), column.share);
        const below = mix(pixel(lower, column.first), pixel(lower, column.second), column.share);
        resized[at++] = mix(above, below, row.share);
      }
    }
  }
  return resized;
}

/** For each target coordinate the two source coordinates around it and the share of the second. */
function taps(from: number, to: number): { first: number; second: number; share: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const centre = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(centre);
    return { first, second: Math.min(first + 1, from - 1), share: centre - first };
  });
}

function mix(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}
