/**
 * A real relay that offers vessel-tiny, MNIST as "digits" and Silero as "voice", for tests that bring providers to it. With a chain the
 * providers ask what the network's terms say.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MemoryVoucherStore } from '../../provider/metering/memory-voucher-store.ts';
import { FolderSource } from '../../relay/models/folder-source.ts';
import { importGraph } from '../../relay/models/import-graph.ts';
import { ModelStore, type StoredModel } from '../../relay/models/model-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { type RelayOptions, type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { type DeviceKey, deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { convertCheckpoint } from '../../shared/models/convert-checkpoint.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';

const tinyFolder = fileURLToPath(new URL('../../public/models/vessel-tiny', import.meta.url));
const processScript = fileURLToPath(new URL('provider-process.ts', import.meta.url));
const memoryBytes = 1e9;
export const serviceNames = ['digits', 'voice'];

export interface ServiceNetworkOptions extends Pick<RelayOptions, 'chain' | 'payments' | 'housePayer' | 'pageFolder'> {
  withLanguage?: boolean;
}

export class ServiceNetwork {
  readonly relay: RunningRelay;
  /** All that it offers. */
  readonly models: readonly StoredModel[];
  readonly providers: NodeProvider[] = [];
  /** Of the providers in this process, by peer. */
  readonly keys = new Map<string, DeviceKey>();
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];

  static async start({ withLanguage = true, ...options }: ServiceNetworkOptions = {}): Promise<ServiceNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-services-'));
    await mkdir(join(folder, 'relay'));
    const store = await new ModelStore(join(folder, 'models')).open();
    const adding = await store.startAdding();
    if (withLanguage) {
      const naming = { name: 'vessel-tiny', dtype: 'f32', origin: 'vessel-tiny' } as const;
      await store.add((await convertCheckpoint(new FolderSource(tinyFolder), naming, adding)).manifest);
    }
    const digits = { name: 'digits', service: 'image-classification', settings: { scale: 1 }, origin: 'ONNX model zoo' };
    await store.add((await importGraph(fixtureBytes('mnist/mnist-8.onnx'), digits, adding)).manifest);
    const voice = { name: 'voice', service: 'voice-activity', settings: {}, origin: 'snakers4/silero-vad' };
    await store.add((await importGraph(fixtureBytes('silero/silero_vad_16k_op15.onnx'), voice, adding)).manifest);
    await adding.done();
    const relay = await startRelay({
      folder: join(folder, 'relay'),
      store,
      host: '127.0.0.1',
      port: 0,
      policy: { maxLayersPerProvider: 4 },
      http: { requestsPerMinute: 1e6 },
      ...options,
    });
    return new ServiceNetwork(relay, await store.list(), folder);
  }

  private constructor(relay: RunningRelay, models: readonly StoredModel[], folder: string) {
    this.relay = relay;
    this.models = models;
    this.#folder = folder;
  }

  async addProvider(): Promise<NodeProvider> {
    const key = await deviceKey(await generateKeyPair());
    const provider = await NodeProvider.start({
      relayUrl: this.relay.url,
      key,
      blobFolder: await mkdtemp(join(this.#folder, 'blobs-')),
      memoryBytes,
      vouchers: new MemoryVoucherStore(),
    });
    this.providers.push(provider);
    this.keys.set(provider.peer, key);
    return provider;
  }

  /** A provider in a process of its own, which can be killed. It works `dutyCycle` of the time. */
  async addProcess(dutyCycle: number): Promise<{ peer: string; kill(): void }> {
    const blobs = await mkdtemp(join(this.#folder, 'blobs-'));
    const settings = JSON.stringify({ relayUrl: this.relay.url, blobFolder: blobs, memoryBytes, dutyCycle });
    const child = spawn(process.execPath, [processScript, settings], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    for await (const peer of createInterface(child.stdout!)) return { peer, kill: () => void child.kill('SIGKILL') };
    throw new Error('The provider process ended before it was online.');
  }

  /** Peers that hold the model, ready. */
  holders(name: string): string[] {
    const { models, providers } = this.relay.coordinator.view();
    const id = models.find((model) => model.name === name)?.id;
    return providers
      .filter(({ shards }) => shards.some((shard) => shard.model === id && shard.phase === 'ready'))
      .map(({ peer }) => peer);
  }

  post(path: string, body: unknown, more: Record<string, string> = {}): Promise<Response> {
    const headers = { 'content-type': 'application/json', ...more };
    return fetch(this.relay.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const provider of this.providers) await provider.stop();
    await this.relay.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

const patienceMs = 60_000;

/** Looks until it is true. Gives up after a minute, for a test that says what it waited for ends better than one that hangs. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
