/** The compute worker: the provider core, the runtime and the blob cache, talking to the page by messages. */
import { createLoadShard } from '../../provider/load-shard.ts';
import { Metering } from '../../provider/metering/metering.ts';
import { RpcCoverage } from '../../provider/metering/rpc-coverage.ts';
import { Provider } from '../../provider/provider.ts';
import { ProviderAgent } from '../../provider/provider-agent.ts';
import type { ProviderLinks } from '../../provider/provider-ports.ts';
import { loadOrt } from '../../provider/runtime/load-ort.ts';
import type { OrtModule } from '../../provider/runtime/ort-module.ts';
import { requireGpu } from '../../provider/runtime/watched-device.ts';
import { systemClock } from '../../provider/system-clock.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import type { FromWorker, ToWorker } from './bridge-messages.ts';
import { openBlobCache } from './models/blob-cache.ts';
import { relaySource } from './relay-source.ts';
import { BrowserVoucherStore } from './voucher-store.ts';

const scope = self as unknown as DedicatedWorkerGlobalScope;
/** Status changes with every token; the page redraws no faster than this. */
const statusMs = 100;

type StartMessage = Extract<ToWorker, { type: 'start' }>;

class ComputeWorker {
  readonly #provider: Provider;
  readonly #agent: ProviderAgent;
  readonly #calls = new Map<number, { resolve: () => void; reject: (error: VesselError) => void }>();
  #nextCall = 0;
  #links: [string, number | null][] = [];
  #isStatusDue = false;

  static async start(start: StartMessage): Promise<ComputeWorker> {
    const cache = await openBlobCache();
    const gpu = start.backend === 'webgpu' ? await requireGpu() : null;
    const adapter = gpu ? `${gpu.info.vendor} ${gpu.info.architecture}`.trim() : 'wasm 1 thread';
    let ort: Promise<OrtModule> | null = null;
    const load = createLoadShard(
      relaySource(cache, start.relayUrl),
      () => (ort ??= loadOrt(start.backend, { wasmPaths: start.ortPath })),
      start.backend,
    );
    return new ComputeWorker(start, load, createMetering(start), {
      adapter,
      f16: gpu?.features.has('shader-f16') ?? false,
      storage: cache.storageKind,
    });
  }

  private constructor(
    start: StartMessage,
    load: ReturnType<typeof createLoadShard>,
    metering: Metering,
    device: { adapter: string; f16: boolean; storage: 'opfs' | 'memory' },
  ) {
    const links: ProviderLinks = {
      self: start.self,
      connect: (peer) => this.#call((call) => post({ type: 'connect', call, peer })),
      sendFrame: (peer, frame) => this.#call((call) => post({ type: 'send', call, peer, frame }, [frame.buffer])),
      reply: (order, message) => post({ type: 'reply', order, message }),
    };
    const sendStatus = () => {
      this.#isStatusDue = false;
      const { failure, ...status } = this.#provider.status();
      post({
        type: 'status',
        status: {
          ...status,
          failure: failure && { code: failure.code, message: failure.message },
          adapter: device.adapter,
          storage: device.storage,
        },
      });
    };
    this.#provider = new Provider({
      links,
      clock: systemClock,
      load,
      memoryBytes: start.memoryBytes,
      dutyCycle: start.dutyCycle,
      metering,
      onChange: () => {
        this.#agent?.changed();
        if (this.#isStatusDue) return;
        this.#isStatusDue = true;
        systemClock.after(statusMs, sendStatus);
      },
    });
    this.#agent = new ProviderAgent({
      provider: this.#provider,
      capability: { backend: start.backend, adapter: device.adapter, f16: device.f16, memoryBytes: start.memoryBytes },
      clock: systemClock,
      send: (message) => {
        post({ type: 'relay', message });
        if (message.type === 'heartbeat') sendStatus();
      },
      links: () => this.#links,
      connect: links.connect,
    });
    this.#agent.welcomed(start.terms);
  }

  receive(message: Exclude<ToWorker, StartMessage>): void {
    switch (message.type) {
      case 'welcomed':
        this.#agent.welcomed(message.terms);
        return;
      case 'relay':
        this.#agent.receive(message.message);
        return;
      case 'order':
        try {
          this.#provider.orderMessage(message.order, message.peer, message.text, message.attachment);
        } catch {
          post({ type: 'drop-order', order: message.order });
        }
        return;
      case 'order-closed':
        this.#provider.orderClosed(message.order);
        return;
      case 'frame': {
        const refusal = this.#provider.frame(message.peer, message.frame);
        if (refusal) post({ type: 'refuse', call: message.call, refusal });
        return;
      }
      case 'frame-refused':
        this.#provider.frameRefused(message.peer, message.refusal);
        return;
      case 'lost':
        this.#provider.peerLost(message.peer);
        return;
      case 'did': {
        const call = this.#calls.get(message.call);
        this.#calls.delete(message.call);
        if (message.error) call?.reject(new VesselError(message.error.code, message.error.message));
        else call?.resolve();
        return;
      }
      case 'links':
        this.#links = message.links;
        return;
      case 'paused':
        this.#agent.paused = message.paused;
        return;
      case 'duty-cycle':
        this.#provider.dutyCycle = message.share;
        return;
      case 'stop':
        void this.#stop();
        return;
      default:
        message satisfies never;
    }
  }

  #call(begin: (call: number) => void): Promise<void> {
    const call = this.#nextCall++;
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      begin(call);
    });
  }

  async #stop(): Promise<void> {
    this.#agent.leave();
    await this.#provider.stop().catch(() => undefined);
    post({ type: 'stopped' });
  }
}

function createMetering({ relayUrl, key: { publicKey, privateKey } }: StartMessage): Metering {
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const metering: Metering = new Metering({
    signer: {
      publicKey,
      sign: async (message) => new Uint8Array(await crypto.subtle.sign(algorithm, privateKey, message)),
    },
    clock: systemClock,
    unixSeconds: () => Math.floor(Date.now() / 1000),
    coverage: new RpcCoverage({ relayUrl, terms: () => metering.terms }),
    store: new BrowserVoucherStore(),
  });
  return metering;
}

function post(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer);
}

let worker: Promise<ComputeWorker> | null = null;
scope.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'start') {
    worker ??= ComputeWorker.start(data);
    worker.catch((thrown) => {
      const { code, message } = toVesselError(thrown);
      post({ type: 'failed', code, message });
    });
    return;
  }
  void worker?.then((started) => started.receive(data)).catch(() => undefined);
};
