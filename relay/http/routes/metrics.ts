import type { HttpDeps } from '../http-deps.ts';
import type { Route } from './route.ts';

export function metrics({ metrics: { registry } }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/metrics',
    summary: 'Figures for Prometheus',
    access: 'open',
    response: { description: 'The figures', contentType: 'text/plain' },
    handle: async (c) => c.body(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  };
}
