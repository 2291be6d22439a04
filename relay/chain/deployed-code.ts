import { createHash } from 'node:crypto';
import type { Hex } from '../../shared/receipts/hex.ts';

/** Of code at an address, as `scripts/build-contracts.mjs` writes it. */
export interface CodeProof {
  /** sha2-256 with zeros for immutables. */
  digest: Hex;
  bytes: number;
  /** Offset and length of each place that the constructor fills in. */
  immutables: readonly (readonly [offset: number, length: number])[];
}

/** Whether deployed code is the compiler's, whatever its immutables are. */
export function isCodeOf(code: Hex | undefined, { digest, bytes, immutables }: CodeProof): boolean {
  const deployed = Buffer.from((code ?? '0x').slice(2), 'hex');
  if (deployed.length !== bytes) return false;
  for (const [offset, length] of immutables) deployed.fill(0, offset, offset + length);
  return `0x${createHash('sha256').update(deployed).digest('hex')}` === digest;
}
