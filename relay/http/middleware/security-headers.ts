import type { MiddlewareHandler } from 'hono';
import type { HttpEnv } from '../http-deps.ts';

/** The API's responses are data: no page may run, frame or guess at them. Pages of other origins may still fetch them (CORS). */
const headers = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'cross-origin',
};

export function securityHeaders(): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(headers)) c.header(name, value);
    // Answers belong to whoever asked, not to a cache on the way.
    if (!c.res.headers.has('cache-control')) c.header('cache-control', 'no-store');
  };
}
