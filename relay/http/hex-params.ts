/** Addresses, bytes and amounts as parameters: hex of any case in, lower case out. */
import { z } from 'zod';
import type { Address, Hex } from '../../shared/receipts/hex.ts';

export const addressParam = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be 0x and 40 hex digits')
  .transform((text) => text.toLowerCase() as Address);

export const bytes32Param = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'must be 0x and 64 hex digits')
  .transform((text) => text.toLowerCase() as Hex);

/** Whole bytes; `maxChars` counts the 0x. */
export function hexBytes(minBytes: number, maxChars: number) {
  return z
    .string()
    .max(maxChars)
    .regex(/^0x([0-9a-fA-F]{2})*$/, 'must be 0x and pairs of hex digits')
    .refine((text) => text.length >= 2 + 2 * minBytes, { message: `must have at least ${minBytes} bytes` })
    .transform((text) => text.toLowerCase() as Hex);
}

/** Wei in decimal, below 2^96 as on chain. */
export const weiParam = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,28})$/, 'must be wei as a decimal string')
  .transform(BigInt)
  .refine((value) => value < 1n << 96n, { message: 'must be below 2^96' });
