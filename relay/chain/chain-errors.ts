/** A node's failures, sorted: the contract said no, or the node did not do what was asked. */
import {
  BaseError,
  ContractFunctionRevertedError,
  ExecutionRevertedError,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
} from 'viem';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Hex } from '../../shared/receipts/hex.ts';

/** What the contract reverted with; null for every other kind of failure. */
export function revertData(error: unknown): Hex | null {
  if (!(error instanceof BaseError)) return null;
  const withData = error.walk((cause) => isHex(dataOf(cause)));
  if (withData !== null) return dataOf(withData) as Hex;
  const reverted = error.walk(
    (cause) => cause instanceof ExecutionRevertedError || cause instanceof ContractFunctionRevertedError,
  );
  return reverted === null ? null : '0x';
}

/** Runs a call of the node; a failure that is no revert becomes `chain_unavailable`. */
export async function askNode<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof VesselError || revertData(cause) !== null) throw cause;
    throw chainUnavailable(cause);
  }
}

export function chainUnavailable(cause: unknown): VesselError {
  const why = cause instanceof BaseError ? cause.shortMessage : cause instanceof Error ? cause.message : String(cause);
  return new VesselError('chain_unavailable', `The chain does not answer (${why.split('\n')[0]}). Nothing is lost; try again.`, {
    cause,
  });
}

/** null for what the node does not know; any other failure goes on. */
export function ifUnknown(error: unknown): null {
  if (error instanceof TransactionNotFoundError || error instanceof TransactionReceiptNotFoundError) return null;
  throw error;
}

function dataOf(cause: unknown): unknown {
  if (!(cause instanceof Error) || !('data' in cause)) return null;
  const { data } = cause;
  if (typeof data === 'object' && data !== null && 'data' in data) return data.data;
  return data;
}

const isHex = (value: unknown): value is Hex => typeof value === 'string' && /^0x([0-9a-fA-F]{2})*$/.test(value);
