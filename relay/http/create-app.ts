/**
 * The relay's HTTP API. It needs no port: `createApp(deps).request('/v1/models')` answers. `ownsPath` tells a server that also
 * serves pages which paths are the API's.
 */
import { Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { errorTable, toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { requireSession } from './auth/session-token.ts';
import { SignIns } from './auth/sign-ins.ts';
import { errorBody, errorHeaders } from './error-body.ts';
import type { HttpContext, HttpDeps, HttpEnv } from './http-deps.ts';
import { httpLimits } from './http-limits.ts';
import { PaidKeys } from './keys/paid-keys.ts';
import { TokenBuckets } from './limits/token-buckets.ts';
import { WorkGate } from './limits/work-gate.ts';
import { authenticate, limitAddress } from './middleware/authenticate.ts';
import { observe } from './middleware/observe.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import type { Money } from './money.ts';
import { Cashier } from './payment/cashier.ts';
import { authEnd, authNonce, authSession, authVerify } from './routes/auth.ts';
import { chainRpc } from './routes/chain-rpc.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { completions } from './routes/completions.ts';
import { faucet } from './routes/faucet.ts';
import { health } from './routes/health.ts';
import { keyRoutes } from './routes/keys.ts';
import { metrics } from './routes/metrics.ts';
import { listModels, retrieveModel } from './routes/models.ts';
import { networkTerms } from './routes/network-terms.ts';
import { openapi } from './routes/openapi.ts';
import { submitAccountOrder } from './routes/payout.ts';
import { payrollRoutes } from './routes/payroll.ts';
import { price } from './routes/price.ts';
import type { Route } from './routes/route.ts';
import { askService, listServices, retrieveService } from './routes/services.ts';

export function createApp(deps: HttpDeps): Hono<HttpEnv> {
  const { settings, money } = deps;
  const gate = new WorkGate({
    maxConcurrent: settings.maxConcurrent,
    maxQueued: settings.maxQueued,
    onChange: (active, queued) => {
      deps.metrics.activeAnswers.set(active);
      deps.metrics.queuedRequests.set(queued);
    },
  });
  const buckets = new TokenBuckets({ clock: deps.clock, maxRemembered: httpLimits.maxRememberedCallers });
  const signIns = money && newSignIns(deps, money);
  const ports = { deps, gate, cashier: money && new Cashier(money, deps.clock) };
  const routes: Route[] = [
    listModels(deps),
    retrieveModel(deps),
    chatCompletions(ports),
    completions(ports),
    listServices(deps),
    retrieveService(deps),
    askService(ports),
    price(deps),
    networkTerms(deps),
    ...(money && signIns ? moneyRoutes(deps, money, signIns) : []),
    health(deps),
    metrics(deps),
    openapi(deps, () => routes),
  ];

  const app = new Hono<HttpEnv>();
  app.use(observe(deps));
  app.use(securityHeaders());
  app.use(
    cors({
      origin: settings.corsOrigins,
      allowMethods: ['GET', 'POST', 'PATCH', 'DELETE'],
      exposeHeaders: ['x-request-id', 'retry-after', 'payment-required', 'payment-response'],
      maxAge: 86_400,
    }),
  );
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));
  const limited = limitAddress(deps, buckets, { kind: 'address', perMinute: settings.requestsPerMinute });
  const doors: Record<Route['access'], MiddlewareHandler<HttpEnv>[]> = {
    open: [],
    limited: [limited],
    gas: [limitAddress(deps, buckets, { kind: 'gas', perMinute: httpLimits.gasCallsPerMinute })],
    key: [authenticate(deps, buckets)],
    session: signIns ? [limited, requireSession(signIns)] : [],
  };
  for (const { access, method, path, handle } of routes) app.on(method.toUpperCase(), [path], ...doors[access], handle);
  app.notFound((c) => respondWithError(c, new VesselError('not_found', 'There is nothing here: see /openapi.json.')));
  app.onError((thrown, c) => {
    const error = toVesselError(thrown);
    // Frames only: the first lines of a stack repeat the message.
    if (error.code === 'internal') c.get('record').stack = framesOf(thrown);
    return respondWithError(c, error);
  });
  return app;
}

/** What only a network with a chain has. */
function moneyRoutes(deps: HttpDeps, money: Money, signIns: SignIns): Route[] {
  return [
    authNonce(money, signIns),
    authVerify(deps, signIns),
    authSession(),
    authEnd(signIns),
    ...keyRoutes({ deps, money, paidKeys: new PaidKeys(deps, money) }),
    ...payrollRoutes(money),
    submitAccountOrder(deps, money),
    chainRpc(money.rpc),
    ...(money.faucet ? [faucet(money.faucet)] : []),
  ];
}

function newSignIns({ clock, randomBytes }: HttpDeps, { wallets, payments, domains }: Money): SignIns {
  return new SignIns({ wallets, chainId: payments.terms.chainId, domains, clock, randomBytes });
}

/** Whether a path belongs to the API and not to the pages. */
export function ownsPath(path: string): boolean {
  return path === '/v1' || path.startsWith('/v1/') || ['/health', '/metrics', '/openapi.json'].includes(path);
}

function respondWithError(c: HttpContext, error: VesselError): Response {
  c.get('record').code = error.code;
  // 499 is nginx's word for a client that left; it has no other.
  return c.json(errorBody(error), errorTable[error.code].status as ContentfulStatusCode, errorHeaders(error));
}

function refuseMethod(c: HttpContext, methods: string[]): Response {
  const error = new VesselError('bad_request', `This path takes ${methods.join(' and ')} only.`);
  c.get('record').code = error.code;
  return c.json(errorBody(error), 405, { allow: methods.join(', ') });
}

function framesOf(thrown: unknown): string[] {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim());
}
