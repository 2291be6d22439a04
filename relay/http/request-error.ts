import { type ErrorCode, VesselError } from '../../shared/protocol/errors.ts';

/** A refusal that only HTTP knows how to tell: which parameter was wrong, when to come back. */
export class RequestError extends VesselError {
  /** Path of the parameter at fault, as `messages[0].content`. */
  readonly param: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, message: string, options: { param?: string; retryAfterSeconds?: number; cause?: unknown } = {}) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RequestError';
    this.param = options.param ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
