/** The HTTP API's figures for Prometheus. Labels come from closed lists: nobody can grow them by sending odd requests. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface HttpMetrics {
  readonly registry: Registry;
  readonly requests: Counter<'method' | 'route' | 'status'>;
  readonly seconds: Histogram<'route'>;
  readonly firstTokenSeconds: Histogram;
  readonly tokens: Counter<'kind'>;
  readonly serviceOrders: Counter<'service' | 'outcome'>;
  readonly serviceUnits: Counter<'service' | 'unit'>;
  readonly activeAnswers: Gauge;
  readonly queuedRequests: Gauge;
}

export function createHttpMetrics(registry: Registry): HttpMetrics {
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'vessel_http_requests_total',
      help: 'Requests finished, by route and status.',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    seconds: new Histogram({
      name: 'vessel_http_request_seconds',
      help: 'Time from request to the last byte of the response.',
      labelNames: ['route'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300],
      registers,
    }),
    firstTokenSeconds: new Histogram({
      name: 'vessel_first_token_seconds',
      help: 'Time from the start of a session to its first token.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64],
      registers,
    }),
    tokens: new Counter({
      name: 'vessel_tokens_total',
      help: 'Tokens of prompts and answers.',
      labelNames: ['kind'],
      registers,
    }),
    serviceOrders: new Counter({
      name: 'vessel_service_orders_total',
      help: 'Orders of whole-graph services, by service type and outcome (done, or the code of the refusal).',
      labelNames: ['service', 'outcome'],
      registers,
    }),
    serviceUnits: new Counter({
      name: 'vessel_service_units_total',
      help: 'Work done by whole-graph services, in the unit of the service type.',
      labelNames: ['service', 'unit'],
      registers,
    }),
    activeAnswers: new Gauge({ name: 'vessel_active_answers', help: 'Answers being computed for HTTP askers.', registers }),
    queuedRequests: new Gauge({ name: 'vessel_queued_requests', help: 'Requests waiting for their turn.', registers }),
  };
}
