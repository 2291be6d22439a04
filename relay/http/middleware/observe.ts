/** Numbers each request and says one line about it when it is over, which for a stream is when its last byte is gone. */
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { HttpContext, HttpDeps, HttpEnv, RequestRecord } from '../http-deps.ts';

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);

export function observe({ clock, randomId, log, metrics }: HttpDeps): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const startedMs = clock();
    const requestId = `req_${randomId()}`;
    const record: RequestRecord = {
      keyId: null,
      promptTokens: 0,
      completionTokens: 0,
      code: null,
      stack: [],
      streamed: null,
    };
    c.set('requestId', requestId);
    c.set('record', record);
    await next();
    c.header('x-request-id', requestId);

    const { status } = c.res;
    const method = knownMethods.has(c.req.method) ? c.req.method : 'other';
    const path = patternOf(c);
    const finish = () => {
      const ms = Math.max(0, clock() - startedMs);
      metrics.requests.inc({ method, route: path, status: String(status) });
      metrics.seconds.observe({ route: path }, ms / 1000);
      const { keyId, promptTokens, completionTokens, code, stack } = record;
      log({ requestId, method, path, status, ms, keyId, promptTokens, completionTokens, code, stack });
    };
    if (record.streamed) void record.streamed.then(finish);
    else finish();
  };
}

/** The pattern of the route that answered, or "other". */
function patternOf(c: HttpContext): string {
  return matchedRoutes(c).find(({ method }) => method !== 'ALL')?.path ?? 'other';
}
