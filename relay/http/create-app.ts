/**
 * The relay's HTTP API. It needs no port: `createApp(deps).request('/v1/models')` answers. `ownsPath` tells a server that also
 * serves pages which paths are the API's.
 */
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { methodNotAllowed } from 'hono/method-not-allowed';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { errorTable, toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { errorBody, errorHeaders } from './error-body.ts';
import type { HttpContext, HttpDeps, HttpEnv } from './http-deps.ts';
import { httpLimits } from './http-limits.ts';
import { TokenBuckets } from './limits/token-buckets.ts';
import { WorkGate } from './limits/work-gate.ts';
import { authenticate } from './middleware/authenticate.ts';
import { observe } from './middleware/observe.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { completions } from './routes/completions.ts';
import { health } from './routes/health.ts';
import { metrics } from './routes/metrics.ts';
import { listModels, retrieveModel } from './routes/models.ts';
import { openapi } from './routes/openapi.ts';
import type { Route } from './routes/route.ts';
import { askService, listServices, retrieveService } from './routes/services.ts';

export function createApp(deps: HttpDeps): Hono<HttpEnv> {
  const { settings } = deps;
  const gate = new WorkGate({
    maxConcurrent: settings.maxConcurrent,
    maxQueued: settings.maxQueued,
    onChange: (active, queued) => {
      deps.metrics.activeAnswers.set(active);
      deps.metrics.queuedRequests.set(queued);
    },
  });
  const buckets = new TokenBuckets({ clock: deps.clock, maxRemembered: httpLimits.maxRememberedCallers });
  const routes: Route[] = [
    listModels(deps),
    retrieveModel(deps),
    chatCompletions(deps, gate),
    completions(deps, gate),
    listServices(deps),
    retrieveService(deps),
    askService(deps, gate),
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
      allowMethods: ['GET', 'POST'],
      exposeHeaders: ['x-request-id', 'retry-after'],
      maxAge: 86_400,
    }),
  );
  app.use(methodNotAllowed({ app, onMethodNotAllowed: refuseMethod }));
  const authentication = authenticate(deps, buckets);
  for (const { access, method, path, handle } of routes) {
    if (access === 'key') app.on(method.toUpperCase(), path, authentication, handle);
    else app.on(method.toUpperCase(), path, handle);
  }
  app.notFound((c) => respondWithError(c, new VesselError('not_found', 'There is nothing here: see /openapi.json.')));
  app.onError((thrown, c) => {
    const error = toVesselError(thrown);
    // Frames only: the first lines of a stack repeat the message.
    if (error.code === 'internal') c.get('record').stack = framesOf(thrown);
    return respondWithError(c, error);
  });
  return app;
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
