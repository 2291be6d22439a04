/** The layer ranges that no provider holds, in order. */
export function missingLayers(layers: number, held: { from: number; to: number }[]): { from: number; to: number }[] {
  const missing: { from: number; to: number }[] = [];
  let covered = 0;
  for (const { from, to } of [...held].sort((a, b) => a.from - b.from)) {
    if (from > covered) missing.push({ from: covered, to: from });
    covered = Math.max(covered, to);
  }
  if (covered < layers) missing.push({ from: covered, to: layers });
  return missing;
}
