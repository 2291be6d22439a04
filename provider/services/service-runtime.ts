/**
 * How a provider runs service types. `ServiceRunner` is what a type's folder implements; `GraphService` is what the rest of the
 * provider sees: one loaded graph, with as many sessions as it has askers.
 */
import type { ServiceMeter, ServiceType } from '../../shared/services/service-type.ts';
import type { Backend } from '../runtime/shard-runtime.ts';
import type { GraphExecutor } from './graph-executor.ts';

/** One asker's state on a graph; for types that are not streaming, nothing. */
export interface ServiceSession<Order = unknown, Result = unknown> {
  /** One order at a time. An order that throws leaves the session as it was before. */
  run(order: Order, input: Uint8Array): Promise<Result>;
}

export interface ServiceRunner<Settings = unknown, Order = unknown, Result = unknown> {
  readonly type: ServiceType<Settings, Order, Result>;
  /** Called once per loaded graph; the function it returns opens a session. Throws `bad_checkpoint` if the graph does not fit. */
  prepare(graph: GraphExecutor, settings: Settings): () => ServiceSession<Order, Result>;
  /** A harmless order, run once before the graph is offered: it compiles kernels and shows whether the backend can run them. */
  trial(graph: GraphExecutor, settings: Settings): { order: Order; input: Uint8Array };
}

export interface GraphSession {
  /**
   * One order: its JSON header as received and its attachment. Orders of a session run in the order of the calls. Throws `bad_request` for a header or attachment that breaks the
   * type's rules, `bad_output` if the graph computes what is no number, `unknown_session` after `close`.
   */
  run(order: unknown, input: Uint8Array): Promise<{ result: unknown; meter: ServiceMeter }>;
  /** Forgets the state. Closing twice is harmless. */
  close(): void;
}

/** One loaded graph behind a service type. Sessions may be used at once: they take turns on the graph. */
export interface GraphService {
  readonly service: string;
  readonly backend: Backend;
  readonly streaming: boolean;
  /** Positions that an order is priced as at most, before it is worked on. Throws `bad_request` when it breaks the type's rules. */
  mostPositions(order: unknown, inputBytes: number): number;
  /** Positions that were worked on. */
  positionsOf(meter: ServiceMeter): number;
  openSession(): GraphSession;
  /** Frees the graph; its sessions are closed with it. */
  dispose(): Promise<void>;
}
