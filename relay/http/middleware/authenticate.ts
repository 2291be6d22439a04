/** Who is calling, and whether they may call now. */
import type { MiddlewareHandler } from 'hono';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Caller, HttpContext, HttpDeps, HttpEnv } from '../http-deps.ts';
import type { TokenBuckets } from '../limits/token-buckets.ts';
import { RequestError } from '../request-error.ts';

export function authenticate(deps: HttpDeps, buckets: TokenBuckets): MiddlewareHandler<HttpEnv> {
  const { settings, keys } = deps;
  return async (c, next) => {
    const address = addressOf(c, settings.trustProxy);
    const secret = bearerOf(c);
    const key = secret === null ? null : keys.verify(secret);
    const caller: Caller = {
      id: key ? `key:${key.id}` : `address:${address}`,
      keyId: key?.id ?? null,
      requestsPerMinute: key?.limits.requestsPerMinute ?? settings.requestsPerMinute,
      maxConcurrent: key?.limits.maxConcurrent ?? settings.maxConcurrentPerKey,
    };
    const seconds = buckets.take(caller.id, caller.requestsPerMinute);
    // Before the 401: guessing keys is limited like any other request.
    if (seconds > 0) {
      throw new RequestError('rate_limited', `Too many requests: at most ${caller.requestsPerMinute} per minute.`, {
        retryAfterSeconds: seconds,
      });
    }
    // OpenAI's clients always send some key; where none is needed, only one that claims to be ours has to be right.
    if (!key && (settings.requireKey || secret?.startsWith('vsl_'))) {
      throw new VesselError('unauthorized', 'A valid API key is needed: send "Authorization: Bearer vsl_…".');
    }
    c.set('caller', caller);
    c.get('record').keyId = caller.keyId;
    await next();
  };
}

function bearerOf(c: HttpContext): string | null {
  return /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? null;
}

function addressOf(c: HttpContext, trustProxy: boolean): string {
  // The last entry is the one that our own proxy wrote; earlier ones are the caller's word.
  const forwarded = trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  // `env` is empty when the app is called without a server.
  return forwarded || (c.env?.incoming?.socket.remoteAddress ?? 'unknown');
}
