/** Numbers as people read them. */

/** Decimal units, three digits at most: "7.1 MB", "820 kB". */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "3.2 of 7.1 MB": both in the unit of the total. */
export function formatProgress(bytes: number, total: number): string {
  const [number, unit] = formatBytes(total).split(' ');
  const scale = Number(number) === 0 ? 1 : total / Number(number);
  const digits = number?.includes('.') ? 1 : 0;
  return `${(bytes / scale).toFixed(digits)} of ${number} ${unit}`;
}

/** Layers [from, to): "4–7", "4". */
export function formatLayers(from: number, to: number): string {
  return to - from === 1 ? `${from}` : `${from}–${to - 1}`;
}

export function layersPhrase(from: number, to: number): string {
  return `${to - from === 1 ? 'layer' : 'layers'} ${formatLayers(from, to)}`;
}

export function formatSeconds(ms: number): string {
  if (ms < 100) return `${Math.round(ms)} ms`;
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
