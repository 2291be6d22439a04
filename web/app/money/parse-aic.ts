/** "12.5" typed by a person → wei; null for what is no amount above 0, has more than 18 decimals, or is beyond what the chain counts. */
export function parseAic(text: string): bigint | null {
  const found = /^([0-9]{1,12})(?:[.,]([0-9]{1,18}))?$/.exec(text.trim());
  if (!found) return null;
  const wei = BigInt(found[1]! + (found[2] ?? '').padEnd(18, '0'));
  return wei > 0n && wei < 1n << 96n ? wei : null;
}
