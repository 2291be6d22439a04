/** Signing in with a wallet, by Sign-In with Ethereum (EIP-4361). */
import { z } from 'zod';
import { sessionCookie, sessionTokenOf } from '../auth/session-token.ts';
import type { SignIns } from '../auth/sign-ins.ts';
import { hexBytes } from '../hex-params.ts';
import type { HttpDeps } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import type { Money } from '../money.ts';
import { parseParams, readJson } from '../read-json.ts';
import type { Route } from './route.ts';

const nonceSchema = z.strictObject({
  nonce: z.string(),
  chain_id: z.number().int(),
  /** Names that the message may be signed for; a page takes its own. */
  domains: z.array(z.string()),
  /** Unix seconds. */
  expires_at: z.number().int(),
});
const verifySchema = z.strictObject({
  message: z.string().min(1).max(4096),
  signature: hexBytes(1, httpLimits.signatureChars),
});
const sessionSchema = z.strictObject({
  address: z.string(),
  /** The same as the cookie, for programs: `Authorization: Bearer vst_…`. */
  token: z.string(),
  expires_at: z.number().int(),
});

export function authNonce(money: Money, signIns: SignIns): Route {
  return {
    method: 'post',
    path: '/v1/auth/nonce',
    summary: 'A nonce for one sign-in message (EIP-4361)',
    access: 'limited',
    response: { description: 'The nonce', contentType: 'application/json', schema: nonceSchema },
    handle: (c) => {
      const { nonce, expiresMs } = signIns.nonce();
      const { chainId } = money.payments.terms;
      const body: z.infer<typeof nonceSchema> = {
        nonce,
        chain_id: chainId,
        domains: money.domains(),
        expires_at: Math.floor(expiresMs / 1000),
      };
      return c.json(body);
    },
  };
}

export function authVerify({ clock }: HttpDeps, signIns: SignIns): Route {
  return {
    method: 'post',
    path: '/v1/auth/verify',
    summary: 'Sign in with a message that a wallet signed',
    access: 'limited',
    request: verifySchema,
    response: { description: 'The session', contentType: 'application/json', schema: sessionSchema },
    handle: async (c) => {
      const { message, signature } = parseParams(verifySchema, await readJson(c.req.raw, httpLimits.smallBodyBytes));
      const { token, address, expiresMs } = await signIns.verify(message, signature);
      const isSecure = message.includes('\nURI: https://');
      c.header('set-cookie', sessionCookie(token, Math.floor((expiresMs - clock()) / 1000), isSecure));
      return c.json({ address, token, expires_at: Math.floor(expiresMs / 1000) } satisfies z.infer<typeof sessionSchema>);
    },
  };
}

const whoSchema = z.strictObject({ address: z.string() });

export function authSession(): Route {
  return {
    method: 'get',
    path: '/v1/auth/session',
    summary: 'The wallet that is signed in',
    access: 'session',
    response: { description: 'The wallet', contentType: 'application/json', schema: whoSchema },
    handle: (c) => c.json({ address: c.get('wallet') } satisfies z.infer<typeof whoSchema>),
  };
}

const endedSchema = z.strictObject({ ended: z.literal(true) });

export function authEnd(signIns: SignIns): Route {
  return {
    method: 'delete',
    path: '/v1/auth/session',
    summary: 'Sign out',
    access: 'session',
    response: { description: 'Signed out', contentType: 'application/json', schema: endedSchema },
    handle: (c) => {
      signIns.end(sessionTokenOf(c) ?? '');
      c.header('set-cookie', sessionCookie('', 0, false));
      return c.json({ ended: true } satisfies z.infer<typeof endedSchema>);
    },
  };
}
