/** Every refusal in the shape that OpenAI's clients read. */
import { encodePaymentRequiredHeader } from '@x402/core/http';
import { z } from 'zod';
import { errorCodes, errorTable, type VesselError } from '../../shared/protocol/errors.ts';
import { PaymentRequiredError } from './payment/payment-required.ts';
import { RequestError } from './request-error.ts';

export const errorBodySchema = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.enum(['invalid_request_error', 'authentication_error', 'permission_error', 'rate_limit_error', 'server_error']),
    param: z.string().nullable(),
    code: z.enum(errorCodes),
  }),
  /** With 402: what an x402 client may pay instead; the same as in the PAYMENT-REQUIRED header. */
  x402Version: z.literal(2).optional(),
  accepts: z.array(z.record(z.string(), z.unknown())).optional(),
});
export type ErrorBody = z.infer<typeof errorBodySchema>;

export function errorBody(error: VesselError): ErrorBody {
  const { status, text } = errorTable[error.code];
  return {
    error: {
      // What an unforeseen error says may quote anything, so it stays inside.
      message: error.code === 'internal' ? text : error.message,
      type: typeOfStatus(status),
      param: error instanceof RequestError ? error.param : null,
      code: error.code,
    },
    ...(error instanceof PaymentRequiredError && error.offer && { x402Version: 2, accepts: error.offer.accepts }),
  };
}

export function errorHeaders(error: VesselError): Record<string, string> {
  const { status, retry } = errorTable[error.code];
  if (error instanceof PaymentRequiredError && error.offer) {
    return { 'payment-required': encodePaymentRequiredHeader(error.offer) };
  }
  const seconds = error instanceof RequestError ? error.retryAfterSeconds : null;
  if (seconds !== null) return { 'retry-after': String(seconds) };
  return retry && (status === 429 || status === 503) ? { 'retry-after': '1' } : {};
}

function typeOfStatus(status: number): ErrorBody['error']['type'] {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
