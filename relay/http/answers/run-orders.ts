/** The orders of one request: checked before the network is asked, worked off in turn, their results checked on the way back. */

import { type ErrorCode, toVesselError, VesselError } from '../../../shared/protocol/errors.ts';
import type { AskPayer } from '../../../shared/receipts/ask-payer.ts';
import { meteredService, mostPositions, parseOrder } from '../../../shared/services/service-type.ts';
import type { HttpDeps, OpenService, ServiceAnswer, ServiceInfo } from '../http-deps.ts';
import { RequestError } from '../request-error.ts';

export interface PreparedOrder {
  order: Record<string, unknown>;
  input: Uint8Array;
  /** Where the order stands in the request, for refusals. */
  param: string;
}

/** @throws RequestError `model_not_found`, or `bad_request` for a language model */
export async function requireService({ services, models }: HttpDeps, nameOrId: string): Promise<ServiceInfo> {
  const service = services.list().find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (service) return service;
  const param = 'model';
  if (await models.find(nameOrId)) {
    throw new RequestError('bad_request', 'This is a language model: ask it at /v1/chat/completions.', { param });
  }
  throw new RequestError('model_not_found', 'There is no such service here: GET /v1/services lists those that are.', { param });
}

/** @throws VesselError `no_route` when no provider holds the graph, `provider_lost`, `queue_full`, … */
export async function openService(
  deps: HttpDeps,
  { id, type }: ServiceInfo,
  signal: AbortSignal,
  payer?: AskPayer,
): Promise<OpenService> {
  try {
    return await deps.services.open(id, signal, payer);
  } catch (thrown) {
    const { code } = toVesselError(thrown);
    deps.metrics.serviceOrders.inc({ service: type.name, outcome: signal.aborted ? 'cancelled' : code });
    throw thrown;
  }
}

/**
 * Resolves with one answer per order. The first order that fails ends the request.
 * @throws RequestError `bad_request` naming the order, VesselError for what the network says
 */
export async function runOrders(
  { metrics }: HttpDeps,
  { type }: ServiceInfo,
  session: OpenService,
  orders: PreparedOrder[],
): Promise<ServiceAnswer[]> {
  const answers: ServiceAnswer[] = [];
  for (const { order, input, param } of orders) {
    let outcome: ErrorCode | 'done' = 'done';
    try {
      const answer = checkAnswer(type, order, input, await session.run(order, input));
      metrics.serviceUnits.inc({ service: type.name, unit: type.unit }, answer.meter.amount);
      answers.push(answer);
    } catch (thrown) {
      const error = toVesselError(thrown);
      outcome = error.code;
      throw error.code === 'bad_request' ? new RequestError(error.code, error.message, { param, cause: error }) : error;
    } finally {
      metrics.serviceOrders.inc({ service: type.name, outcome });
    }
  }
  return answers;
}

/**
 * Positions that the orders are priced as at most.
 * @throws RequestError for the first order that breaks its type's rules
 */
export function checkOrders({ type, settings }: ServiceInfo, orders: PreparedOrder[]): number {
  const service = meteredService(type, settings);
  let most = 0;
  for (const { order, input, param } of orders) {
    if (input.byteLength > type.maxInputBytes) {
      const message = `An order of ${type.name} may attach ${type.maxInputBytes} bytes, not ${input.byteLength}.`;
      throw new RequestError('body_too_large', message, { param });
    }
    try {
      most += mostPositions(service, order, input.byteLength);
    } catch (cause) {
      const { code, message } = toVesselError(cause);
      throw new RequestError(code, message, { param, cause });
    }
  }
  return most;
}

/** A provider is a stranger: what it says has the form of the type and is metered as the type meters, or it is not passed on. */
function checkAnswer(
  type: ServiceInfo['type'],
  order: Record<string, unknown>,
  input: Uint8Array,
  { result, meter, backend }: ServiceAnswer,
): ServiceAnswer {
  const parsed = type.result.safeParse(result);
  if (!parsed.success) throw new VesselError('bad_output', 'The provider’s result does not have the form of the service.');
  const due = type.meter(parseOrder(type, order, input.byteLength), parsed.data);
  if (meter.unit !== due.unit || meter.amount !== due.amount) {
    throw new VesselError('bad_output', `The provider metered ${meter.amount} ${meter.unit}; it was ${due.amount} ${due.unit}.`);
  }
  return { result, meter, backend };
}
