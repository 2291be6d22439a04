/** The provider core in Node: same code as in a tab, on the wasm build, over libp2p with native WebRTC. */
import { createLoadShard } from '../../provider/load-shard.ts';
import { Metering } from '../../provider/metering/metering.ts';
import type { VoucherStore } from '../../provider/metering/metering-ports.ts';
import { RpcCoverage } from '../../provider/metering/rpc-coverage.ts';
import { Provider, type ProviderStatus } from '../../provider/provider.ts';
import { ProviderAgent } from '../../provider/provider-agent.ts';
import type { ProviderLinks } from '../../provider/provider-ports.ts';
import { loadOrtNode } from '../../provider/runtime/load-ort-node.ts';
import { systemClock } from '../../provider/system-clock.ts';
import type { DeviceKey } from '../../sdk/net/device-key.ts';
import { NetworkClient } from '../../sdk/net/network-client.ts';
import type { OrderLink } from '../../sdk/net/order-link.ts';
import { toVesselError, type VesselError } from '../../shared/protocol/errors.ts';
import type { Ask } from '../../shared/receipts/price.ts';
import { FetchedBlobs } from './fetched-blobs.ts';

export interface NodeProviderOptions {
  relayUrl: string;
  key: DeviceKey;
  /** Where fetched blobs are kept. */
  blobFolder: string;
  /** Bytes for weights and KV together. */
  memoryBytes: number;
  threads?: number;
  /** No other peer learns this machine's address: TURN, or the relay's circuit. */
  hideAddress?: boolean;
  dutyCycle?: number;
  /** Where vouchers are kept. Left out: this provider works for nothing. */
  vouchers?: VoucherStore;
  /** Wei per layer and position; default: what the network's terms say. */
  ask?: Ask;
  /** JSON-RPC of a node of one's own; default: the relay's. */
  rpcUrl?: string;
  onState?: (state: 'connecting' | 'online' | 'offline', error?: VesselError) => void;
  /** What this provider holds, in words, whenever it changed. */
  onShards?: (text: string) => void;
}

export class NodeProvider {
  readonly peer: string;
  readonly #client: NetworkClient;
  readonly #provider: Provider;
  readonly #agent: ProviderAgent;

  static async start(options: NodeProviderOptions): Promise<NodeProvider> {
    let agent: ProviderAgent | null = null;
    const client = await NetworkClient.connect({
      relayUrl: options.relayUrl,
      key: options.key,
      clock: systemClock,
      hideAddress: options.hideAddress ?? false,
      onMessage: (message) => agent?.receive(message),
      onWelcome: ({ terms }) => agent?.welcomed(terms),
      ...(options.onState ? { onState: options.onState } : {}),
    });
    const orders = new Map<number, OrderLink>();
    const links: ProviderLinks = {
      self: client.peer,
      connect: (peer) => client.node.connect(peer),
      sendFrame: (peer, frame) => client.node.sendFrame(peer, frame),
      reply: (order, message) =>
        void orders
          .get(order)
          ?.send(message)
          .catch(() => undefined),
    };
    const blobs = new FetchedBlobs(options.blobFolder, options.relayUrl);
    const source = {
      manifest: (id: string, signal: AbortSignal) => blobs.manifest(id, signal),
      ensure: blobs.ensure.bind(blobs),
      blobs,
    };
    const threads = options.threads ?? 1;
    const metering = createMetering(options);
    const provider = new Provider({
      links,
      clock: systemClock,
      load: createLoadShard(source, async () => loadOrtNode({ threads }), 'wasm'),
      memoryBytes: options.memoryBytes,
      dutyCycle: options.dutyCycle ?? 1,
      ...(metering ? { metering } : {}),
      onChange: () => {
        agent?.changed();
        options.onShards?.(describeShards(provider.status()));
      },
    });
    let nextOrder = 0;
    await client.node.serveOrders((link, peer) => {
      const order = nextOrder++;
      orders.set(order, link);
      return {
        onMessage: (text, attachment) => provider.orderMessage(order, peer, text, attachment),
        onClose: () => {
          orders.delete(order);
          provider.orderClosed(order);
        },
      };
    });
    await client.node.serveFrames({
      onFrame: (peer, frame, refuse) => {
        const refusal = provider.frame(peer, frame);
        if (refusal) refuse(refusal);
      },
      onRefusal: (peer, refusal) => provider.frameRefused(peer, refusal),
      onLost: (peer) => provider.peerLost(peer),
    });
    agent = new ProviderAgent({
      provider,
      capability: {
        backend: 'wasm',
        adapter: `wasm ${threads} thread${threads === 1 ? '' : 's'}`,
        f16: false,
        memoryBytes: options.memoryBytes,
      },
      clock: systemClock,
      send: (message) => client.send(message),
      links: () => client.node.measuredLinks(),
      connect: (peer) => client.node.connect(peer),
    });
    agent.welcomed(client.terms);
    return new NodeProvider(client, provider, agent);
  }

  private constructor(client: NetworkClient, provider: Provider, agent: ProviderAgent) {
    this.peer = client.peer;
    this.#client = client;
    this.#provider = provider;
    this.#agent = agent;
  }

  status(): ProviderStatus {
    return this.#provider.status();
  }

  /** Frame links of this provider that run over the relay: 0, unless something is wrong. */
  relayedLinks(): number {
    return this.#client.node.relayedLinks();
  }

  /** Says goodbye, ends its sessions, frees everything. */
  async stop(): Promise<void> {
    this.#agent.leave();
    await this.#provider.stop().catch((thrown) => {
      throw toVesselError(thrown);
    });
    await this.#client.stop();
  }
}

function createMetering({ key, relayUrl, rpcUrl, vouchers, ask }: NodeProviderOptions): Metering | null {
  if (!vouchers) return null;
  const metering: Metering = new Metering({
    signer: key,
    clock: systemClock,
    unixSeconds: () => Math.floor(Date.now() / 1000),
    coverage: new RpcCoverage({ relayUrl, terms: () => metering.terms, ...(rpcUrl ? { rpcUrl } : {}) }),
    store: vouchers,
    ...(ask ? { ask } : {}),
  });
  return metering;
}

function describeShards({ shards, failure }: ProviderStatus): string {
  if (failure) return `failed: ${failure.message}`;
  if (shards.length === 0) return 'waiting for the relay to name layers';
  return shards.map(({ model, from, to, phase }) => `${from}–${to} of ${model.slice(-8)}: ${phase}`).join(', ');
}
