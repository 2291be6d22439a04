import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import {
  type MeteredService,
  meteredService,
  mostPositions,
  parseOrder,
  type ServiceMeter,
} from '../../shared/services/service-type.ts';
import type { OrtModule } from '../runtime/ort-module.ts';
import type { Backend } from '../runtime/shard-runtime.ts';
import type { GraphExecutor } from './graph-executor.ts';
import { openOrtGraph } from './open-ort-graph.ts';
import { serviceRunners } from './registry.ts';
import type { GraphService, GraphSession, ServiceRunner, ServiceSession } from './service-runtime.ts';

export interface GraphServiceOptions {
  ort: OrtModule;
  /** Of the graph's manifest. */
  service: string;
  settings: unknown;
  /** The ONNX file, already verified. */
  graph: Uint8Array;
  /** In order of preference: the first one on which the graph runs is taken and declared. */
  backends: readonly Backend[];
  runners?: readonly ServiceRunner[];
}

/**
 * Loads a graph and makes it a service.
 *
 *     const service = await createGraphService({ ort, service: manifest.service, settings: manifest.settings, graph, backends: ['webgpu', 'wasm'] });
 *     const { result } = await service.openSession().run({ format: 'gray8', width: 28, height: 28 }, pixels);
 *
 * Throws `unsupported` for a service type it lacks, `bad_checkpoint` when the settings do not fit the graph or no backend runs it.
 */
export async function createGraphService(options: GraphServiceOptions): Promise<GraphService> {
  const { ort, service, graph, backends, runners = serviceRunners } = options;
  const runner = runners.find(({ type }) => type.name === service);
  if (!runner) throw new VesselError('unsupported', `This provider cannot run services of type "${service}".`);
  const metered = meteredService(runner.type, options.settings);
  const { settings } = metered;

  const reasons: string[] = [];
  for (const backend of backends) {
    let executor: GraphExecutor | null = null;
    try {
      executor = await openOrtGraph(ort, graph, backend);
      const open = runner.prepare(executor, settings);
      const { order, input } = runner.trial(executor, settings);
      await open().run(order, input);
      return new LoadedGraphService(metered, executor, open);
    } catch (error) {
      await executor?.dispose();
      // Settings that do not fit the graph fit it on no backend.
      if (error instanceof VesselError && error.code === 'bad_checkpoint') throw error;
      reasons.push(`${backend}: ${toVesselError(error).message}`);
    }
  }
  throw new VesselError('bad_checkpoint', `The graph runs on none of the backends here. ${reasons.join(' ')}`);
}

class LoadedGraphService implements GraphService {
  readonly service: string;
  readonly backend: Backend;
  readonly streaming: boolean;
  readonly #metered: MeteredService;
  readonly #executor: GraphExecutor;
  readonly #open: () => ServiceSession;
  readonly #sessions = new Set<GraphSession>();

  constructor(metered: MeteredService, executor: GraphExecutor, open: () => ServiceSession) {
    this.service = metered.type.name;
    this.backend = executor.backend;
    this.streaming = metered.type.streaming;
    this.#metered = metered;
    this.#executor = executor;
    this.#open = open;
  }

  mostPositions(order: unknown, inputBytes: number): number {
    return mostPositions(this.#metered, order, inputBytes);
  }

  positionsOf({ amount }: ServiceMeter): number {
    return amount * this.#metered.type.positionsPerUnit;
  }

  openSession(): GraphSession {
    const { type } = this.#metered;
    const sessions = this.#sessions;
    let state: ServiceSession | null = this.#open();
    let last: Promise<unknown> = Promise.resolve();
    const runNext = async (header: unknown, input: Uint8Array) => {
      if (!state) throw new VesselError('unknown_session', 'This service session is closed.');
      const order = parseOrder(type, header, input.byteLength);
      const result = await state.run(order, input);
      return { result, meter: type.meter(order, result) };
    };
    const session: GraphSession = {
      run(header, input) {
        const outcome = last.then(() => runNext(header, input));
        last = outcome.catch(() => {});
        return outcome;
      },
      close() {
        state = null;
        sessions.delete(session);
      },
    };
    sessions.add(session);
    return session;
  }

  async dispose(): Promise<void> {
    for (const session of this.#sessions) session.close();
    await this.#executor.dispose();
  }
}
