/** A relay and Node providers of vessel-tiny in this process, meeting through a proxy that counts. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { CountingProxy } from './counting-proxy.ts';
import { evenSplit } from './even-split.ts';
import { until } from './until.ts';
import { tinyFolder } from './vessel-process.ts';

const layers = 8;

export class NodeNetwork {
  readonly relay: RunningRelay;
  readonly proxy: CountingProxy;
  readonly providers: NodeProvider[] = [];
  /** Id of vessel-tiny. */
  readonly model: string;
  readonly #folder: string;

  /** Resolves when `count` providers hold everything and know each other. */
  static async start(count: number): Promise<NodeNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-nodes-'));
    await mkdir(join(folder, 'relay'));
    const store = await new ModelStore(join(folder, 'models')).open();
    const model = await importModel(
      { source: tinyFolder, name: 'vessel-tiny', dtype: 'f32', settings: {} },
      { store, hub: () => Promise.reject(new Error('no hub here')), downloads: join(folder, 'downloads') },
    );
    const relay = await startRelay({
      folder: join(folder, 'relay'),
      store,
      host: '127.0.0.1',
      port: 0,
      policy: { split: new Map([[model.id, evenSplit(layers, count)]]) },
      http: { requestsPerMinute: 1e6 },
      queueMs: 60_000,
    });
    const network = new NodeNetwork(relay, await CountingProxy.before(relay.port), folder, model.id);
    for (let i = 0; i < count; i++) await network.addProvider();
    await network.ready();
    return network;
  }

  private constructor(relay: RunningRelay, proxy: CountingProxy, folder: string, model: string) {
    this.relay = relay;
    this.proxy = proxy;
    this.model = model;
    this.#folder = folder;
  }

  get url(): string {
    return this.proxy.url;
  }

  async addProvider(): Promise<NodeProvider> {
    const provider = await NodeProvider.start({
      relayUrl: this.url,
      key: await deviceKey(await generateKeyPair()),
      blobFolder: await mkdtemp(join(this.#folder, 'blobs-')),
      memoryBytes: 1e9,
    });
    this.providers.push(provider);
    return provider;
  }

  ready(): Promise<void> {
    const { coordinator } = this.relay;
    return until('the model is ready', () => coordinator.isReady(this.model) && coordinator.isLinked(this.model));
  }

  /** No session is left anywhere. */
  async idle(): Promise<void> {
    await until('no session is left', () => {
      const held = this.providers.reduce((sum, provider) => sum + provider.status().sessions, 0);
      return held + this.relay.coordinator.sessions === 0;
    });
  }

  async close(): Promise<void> {
    for (const provider of this.providers) await provider.stop();
    await this.relay.close();
    this.proxy.cut();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
