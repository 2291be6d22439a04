/** Who is calling, and whether they may call now. */
import type { MiddlewareHandler } from 'hono';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { PayingParty } from '../../payments/payments.ts';
import type { Caller, HttpContext, HttpDeps, HttpEnv } from '../http-deps.ts';
import type { ApiKey } from '../keys/api-keys.ts';
import type { TokenBuckets } from '../limits/token-buckets.ts';
import { RequestError } from '../request-error.ts';

export function authenticate(deps: HttpDeps, buckets: TokenBuckets): MiddlewareHandler<HttpEnv> {
  const { settings, keys, money } = deps;
  return async (c, next) => {
    const secret = bearerOf(c);
    const key = secret === null ? null : keys.verify(secret);
    const caller: Caller = {
      id: key ? `key:${key.id}` : `address:${addressOf(c, settings.trustProxy)}`,
      keyId: key?.id ?? null,
      requestsPerMinute: key?.limits.requestsPerMinute ?? settings.requestsPerMinute,
      maxConcurrent: key?.limits.maxConcurrent ?? settings.maxConcurrentPerKey,
      party: key && partyOf(key, deps),
    };
    // Before the 401: guessing keys is limited like any other request.
    takeTurn(buckets, caller.id, caller.requestsPerMinute);
    // OpenAI's clients always send some key; where none is needed, only one that claims to be ours has to be right. In a paid network
    // a key is one way to pay of several, and who pays in none is told the price.
    if (!key && ((settings.requireKey && !money) || secret?.startsWith('vsl_'))) {
      throw new VesselError('unauthorized', 'A valid API key is needed: send "Authorization: Bearer vsl_…".');
    }
    c.set('caller', caller);
    c.get('record').keyId = caller.keyId;
    await next();
  };
}

/** Limits callers by their address alone: for what needs no API key. */
export function limitAddress(
  { settings }: HttpDeps,
  buckets: TokenBuckets,
  { kind, perMinute }: { kind: string; perMinute: number },
): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    takeTurn(buckets, `${kind}:${addressOf(c, settings.trustProxy)}`, perMinute);
    await next();
  };
}

export function bearerOf(c: HttpContext): string | null {
  return /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? null;
}

function takeTurn(buckets: TokenBuckets, id: string, perMinute: number): void {
  const seconds = buckets.take(id, perMinute);
  if (seconds === 0) return;
  throw new RequestError('rate_limited', `Too many requests: at most ${perMinute} per minute.`, { retryAfterSeconds: seconds });
}

function partyOf({ payment }: ApiKey, { money }: HttpDeps): PayingParty | null {
  if (!money) return null;
  if (!payment) return money.houseParty;
  const { payer, sessionKey, spendLimit } = payment;
  return { payer, sessionKey, spendLimit: spendLimit === null ? null : BigInt(spendLimit) };
}

function addressOf(c: HttpContext, trustProxy: boolean): string {
  // The last entry is the one that our own proxy wrote; earlier ones are the caller's word.
  const forwarded = trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  // `env` is empty when the app is called without a server.
  return forwarded || (c.env?.incoming?.socket.remoteAddress ?? 'unknown');
}
