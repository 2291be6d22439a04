/** What a model hub refuses, in words that say what to do. The hub's status codes alone mislead: it answers 401 for what does not exist. */
import { type ErrorCode, VesselError } from '../../shared/protocol/errors.ts';

/** Something that may work in a moment: a network error, a 5xx, a 429. */
export class TransientHubError extends Error {
  /** What the hub asked us to wait, or null. */
  readonly retryAfterMs: number | null;
  readonly code: ErrorCode;

  constructor(message: string, options: { retryAfterMs?: number | null; code?: ErrorCode; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.code = options.code ?? 'hub_failed';
  }
}

export interface RefusalContext {
  endpoint: string;
  /** org/name */
  repository: string;
  revision: string;
  /** What was asked for: a file's name, or "the list of files". */
  what: string;
  hasToken: boolean;
}

/** The error for an answer that is neither 2xx nor a redirect. */
export function explainRefusal(response: Response, context: RefusalContext, now: number): VesselError | TransientHubError {
  const { endpoint, repository, revision, what, hasToken } = context;
  const reason = response.headers.get('x-error-code');
  const detail = response.headers.get('x-error-message');
  const page = `${endpoint}/${repository}`;
  if (response.status === 429) {
    return new TransientHubError('The hub answers "too many requests"', {
      retryAfterMs: retryAfter(response.headers, now),
      code: 'rate_limited',
    });
  }
  if (response.status >= 500 || response.status === 408) {
    return new TransientHubError(`The hub answered ${response.status} for ${what}`, {
      retryAfterMs: retryAfter(response.headers, now),
    });
  }
  if (reason === 'GatedRepo') {
    const step = hasToken
      ? 'your token has no access yet: accept the licence there with the account of the token'
      : 'accept its licence there, create a token, and set HF_TOKEN';
    return new VesselError('forbidden', `${repository} is gated (${page}): ${step}.`);
  }
  if (reason === 'RevisionNotFound') {
    return new VesselError(
      'model_not_found',
      `${repository} has no revision "${revision}". Its branches and tags: ${page}/tree/main`,
    );
  }
  if (reason === 'EntryNotFound')
    return new VesselError('bad_checkpoint', `${repository} has no file ${what} at revision ${revision}.`);
  if (reason === 'RepoNotFound' || response.status === 401 || response.status === 404) {
    const step = hasToken ? 'or your token may not read it' : 'or it is private: then set HF_TOKEN';
    return new VesselError('model_not_found', `The hub ${endpoint} has no model ${repository} (check the spelling), ${step}.`);
  }
  if (response.status === 403)
    return new VesselError(
      'forbidden',
      `The hub refuses ${what} of ${repository}${detail ? `: ${detail}` : ''}. Check the rights of your token.`,
    );
  return new VesselError(
    'hub_failed',
    `The hub answered ${response.status} for ${what} of ${repository}${detail ? `: ${detail}` : ''}.`,
  );
}

/** `Retry-After` in seconds or as a date, else the reset time `t` of the `RateLimit` header; in milliseconds. */
function retryAfter(headers: Headers, now: number): number | null {
  const text = headers.get('retry-after');
  if (text !== null && /^\d+$/.test(text.trim())) return Number(text) * 1000;
  if (text !== null && !Number.isNaN(Date.parse(text))) return Math.max(0, Date.parse(text) - now);
  const reset = /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '');
  return reset ? Number(reset[1]) * 1000 : null;
}
