/** Where a wallet's session is carried: a cookie that no script can read, or a bearer for programs. */

import type { MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { HttpContext, HttpEnv } from '../http-deps.ts';
import { bearerOf } from '../middleware/authenticate.ts';
import type { SignIns } from './sign-ins.ts';

const cookieName = 'vessel_session';

export function sessionTokenOf(c: HttpContext): string | null {
  const bearer = bearerOf(c);
  return bearer?.startsWith('vst_') ? bearer : (getCookie(c, cookieName) ?? null);
}

/** SameSite=Strict: another site's page can send nothing in the wallet's name. */
export function sessionCookie(token: string, maxAgeSeconds: number, isSecure: boolean): string {
  return `${cookieName}=${token}; Path=/v1; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

/** Sets `wallet` to the address that signed in. */
export function requireSession(signIns: SignIns): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const token = sessionTokenOf(c);
    const session = token === null ? null : signIns.find(token);
    if (!session)
      throw new VesselError('unauthorized', 'Sign in with your wallet first: POST /v1/auth/nonce, then /v1/auth/verify.');
    c.set('wallet', session.address);
    await next();
  };
}
