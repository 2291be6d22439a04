/**
 * A relay in this process and providers that are processes of their own, so that they can be killed, stopped and started again; an
 * asker with the SDK over WebRTC. Every layer has two holders, and a lost one is made up for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import { type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import type { AskEvent, AskIds, AskStats } from '../../shared/protocol/asking.ts';
import { evenSplit } from '../harness/even-split.ts';
import { until } from '../harness/until.ts';
import { tinyFolder } from '../harness/vessel-process.ts';

const script = join(import.meta.dirname, '../services/provider-process.ts');

export interface ChaosOptions {
  hops: number;
  /** Holders of each layer. */
  copies: number;
  /** Hugging Face folder; vessel-tiny if left out. */
  model?: string;
}

export class ChaosNetwork {
  readonly relay: RunningRelay;
  readonly asker: Vessel;
  readonly model: string;
  readonly #folder: string;
  readonly #options: ChaosOptions;
  readonly #processes = new Map<string, ChildProcess>();

  static async start(options: ChaosOptions): Promise<ChaosNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-chaos-'));
    await mkdir(join(folder, 'relay'));
    const store = await new ModelStore(join(folder, 'models')).open();
    const imported = await importModel(
      { source: options.model ?? tinyFolder, name: 'chaos', dtype: 'f32', settings: {} },
      { store, hub: () => Promise.reject(new Error('no hub here')), downloads: join(folder, 'downloads') },
    );
    if (imported.manifest.kind !== 'language') throw new Error('Chaos needs a language model.');
    const { layers } = imported.manifest.architecture;
    const relay = await startRelay({
      folder: join(folder, 'relay'),
      store,
      host: '127.0.0.1',
      port: 0,
      policy: { split: new Map([[imported.id, evenSplit(layers, options.hops)]]) },
      queueMs: 60_000,
    });
    const asker = await connect({ relay: relay.url });
    const network = new ChaosNetwork(relay, asker, imported.id, folder, options);
    for (let i = 0; i < options.hops * options.copies; i++) await network.#addProvider();
    await network.whole();
    return network;
  }

  private constructor(relay: RunningRelay, asker: Vessel, model: string, folder: string, options: ChaosOptions) {
    this.relay = relay;
    this.asker = asker;
    this.model = model;
    this.#folder = folder;
    this.#options = options;
  }

  /** Resolves when every layer has its holders again, and they know each other. */
  async whole(): Promise<void> {
    const { hops, copies } = this.#options;
    for (let missing = hops * copies - this.#processes.size; missing > 0; missing--) await this.#addProvider();
    const { coordinator } = this.relay;
    await until('every layer has its holders', () => {
      const ready = coordinator
        .view()
        .providers.filter(({ peer, shards }) => this.#processes.has(peer) && shards.some(({ phase }) => phase === 'ready'));
      const perRange = new Map<number, number>();
      for (const { shards } of ready) perRange.set(shards[0]!.from, (perRange.get(shards[0]!.from) ?? 0) + 1);
      return (
        perRange.size === hops && [...perRange.values()].every((count) => count >= copies) && coordinator.isLinked(this.model)
      );
    });
  }

  /**
   * Asks, and when the answer has `at` tokens, does `trouble` to the hops at these places (from 0). At 0 it comes while the prompt
   * goes in.
   */
  async ask(request: Omit<AskIds, 'model'>, at = Number.POSITIVE_INFINITY, places: number[] = [], trouble: Trouble = 'kill') {
    const tokens: number[] = [];
    let stats: AskStats | null = null;
    let troubledMs = 0;
    const disturb = (event: AskEvent) => {
      if (troubledMs > 0 || tokens.length < at || (event.type === 'route' && at > 0)) return;
      const route = this.relay.coordinator.routes()[0]!;
      troubledMs = performance.now();
      for (const place of places) this.#disturb(route[place]!, trouble);
    };
    for await (const event of this.asker.askIds({ ...request, model: this.model })) {
      if (event.type === 'token') tokens.push(event.id);
      if (event.type === 'done') stats = event.stats;
      else disturb(event);
    }
    return { tokens, stats: stats! };
  }

  #disturb(peer: string, trouble: Trouble): void {
    const child = this.#processes.get(peer)!;
    if (trouble === 'kill') {
      this.#processes.delete(peer);
      child.kill('SIGKILL');
    } else {
      child.kill('SIGSTOP');
      if (trouble === 'stop-for-good') this.#processes.delete(peer);
      setTimeout(
        () => child.kill(trouble === 'stop-for-good' ? 'SIGKILL' : 'SIGCONT'),
        trouble === 'pause' ? 3000 : 8000,
      ).unref();
    }
  }

  async #addProvider(): Promise<void> {
    const blobFolder = await mkdtemp(join(this.#folder, 'blobs-'));
    const settings = { relayUrl: this.relay.url, blobFolder, memoryBytes: 4e9, dutyCycle: 1 };
    const child = spawn(process.execPath, [script, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    this.#processes.set(String(line).trim(), child);
  }

  async close(): Promise<void> {
    await this.asker.close();
    for (const child of this.#processes.values()) child.kill('SIGKILL');
    await this.relay.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** `pause`: stands still for 3 s and goes on. `stop-for-good`: stands still, and is gone before it could go on. */
export type Trouble = 'kill' | 'pause' | 'stop-for-good';
