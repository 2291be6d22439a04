/// <reference lib="webworker" />
/** Runs in a dedicated worker of the test page: the real graph services on the runtime build that a tab with WebGPU uses. */
import { loadOrt } from '../../provider/runtime/load-ort.ts';
import { createGraphService } from '../../provider/services/create-graph-service.ts';
import { toVesselError } from '../../shared/protocol/errors.ts';

export interface ServiceRequest {
  /** Paths on the page's own server. */
  graph: string;
  input: string;
  service: string;
  settings: object;
  /** One order per entry, in one session: its header and its bytes [from, to) of `input`. */
  orders: { order: object; from: number; to: number }[];
}
export type ServiceReply = { backend: string; results: unknown[] } | { error: { code: string; message: string } };

const ort = loadOrt('webgpu', { wasmPaths: `${self.location.origin}/ort/` });

async function fetchBytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

self.onmessage = async ({ data }: MessageEvent<ServiceRequest>) => {
  try {
    const [graph, input] = await Promise.all([fetchBytes(data.graph), fetchBytes(data.input)]);
    const { service, settings } = data;
    const opened = await createGraphService({ ort: await ort, service, settings, graph, backends: ['webgpu', 'wasm'] });
    const session = opened.openSession();
    const results: unknown[] = [];
    for (const { order, from, to } of data.orders) results.push((await session.run(order, input.subarray(from, to))).result);
    const reply: ServiceReply = { backend: opened.backend, results };
    await opened.dispose();
    self.postMessage(reply);
  } catch (thrown) {
    const { code, message } = toVesselError(thrown);
    self.postMessage({ error: { code, message } } satisfies ServiceReply);
  }
};
