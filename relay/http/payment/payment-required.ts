/** The 402: what is needed, what there is, what to do, and an offer that an x402 client can take up by itself. */
import type { PaymentRequired } from '@x402/core/types';
import { formatEther } from 'viem';
import { RequestError } from '../request-error.ts';

export class PaymentRequiredError extends RequestError {
  /** null: this relay takes no x402 payments. */
  readonly offer: PaymentRequired | null;

  constructor(message: string, offer: PaymentRequired | null, cause?: unknown) {
    super('payment_required', message, { ...(cause === undefined ? {} : { cause }) });
    this.name = 'PaymentRequiredError';
    this.offer = offer;
  }
}

/** Wei as people read it: `0.0125 AIC`. */
export function aic(wei: bigint): string {
  return `${formatEther(wei)} AIC`;
}
