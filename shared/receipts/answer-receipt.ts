/** One hash for everything that was signed about an answer: what `usage.receipt` shows and the books keep. */
import { keccak_256 } from '@noble/hashes/sha3.js';
import type { PaymentMessage, ReceiptMessage } from '../protocol/payment-types.ts';
import { toHex } from './eip712.ts';
import type { Hex } from './hex.ts';

/** keccak256 over the papers, each as JSON with sorted keys and amounts as decimal text, sorted, one per line. The order given does not matter. */
export function answerReceiptHash(receipts: readonly ReceiptMessage[], payments: readonly PaymentMessage[]): Hex {
  const papers = [...new Set([...receipts, ...payments].map(paperText))].sort();
  return toHex(keccak_256(new TextEncoder().encode(papers.join('\n'))));
}

function paperText(paper: object): string {
  return JSON.stringify(paper, (_key, value: unknown) => {
    if (typeof value === 'bigint') return value.toString();
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
