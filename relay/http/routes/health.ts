import { z } from 'zod';
import type { HttpDeps } from '../http-deps.ts';
import type { Route } from './route.ts';

const healthSchema = z.strictObject({
  ok: z.boolean(),
  version: z.string(),
  uptimeSeconds: z.number(),
  /** Providers online. */
  providers: z.number().int(),
  models: z.array(z.strictObject({ name: z.string(), ready: z.boolean() })),
});

export function health({ models, status, clock }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/health',
    summary: 'Whether the relay runs, and what it could answer now',
    access: 'open',
    response: { description: 'The relay runs', contentType: 'application/json', schema: healthSchema },
    handle: async (c) => {
      const { version, startedMs, providers } = status();
      const health: z.infer<typeof healthSchema> = {
        ok: true,
        version,
        uptimeSeconds: Math.max(0, (clock() - startedMs) / 1000),
        providers,
        models: (await models.list()).map(({ name, ready }) => ({ name, ready })),
      };
      return c.json(health);
    },
  };
}
