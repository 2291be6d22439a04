/** A relay in this process, provider tabs and askers of all kinds, with a say in how they may reach each other. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { ensurePage } from '../../relay/cli/ensure-page.ts';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { type RelayOptions, type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import type { Vessel } from '../../sdk/vessel.ts';
import { samplingSchema } from '../../shared/protocol/sampling.ts';
import { ProviderTab } from '../harness/tab-network.ts';
import type { TinySample } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';
import { tinyFolder } from '../harness/vessel-process.ts';

export interface ReachOptions {
  /** Layers of each part of vessel-tiny. */
  split: number[];
  relay?: Pick<RelayOptions, 'turn' | 'circuits' | 'iceServers'>;
  /** Further switches of Chromium. */
  chromium?: string[];
}

export interface ReachTab {
  hideAddress?: boolean;
  dutyCycle?: number;
  /** Where it finds the relay, if not at its own address. */
  url?: string;
  /** Presses Start in place of the script. */
  start?: (page: Page) => Promise<void>;
  /** Called before the page is opened. */
  prepare?: (context: BrowserContext) => Promise<void>;
}

const memoryBytes = 2 ** 30;

export class ReachNetwork {
  readonly relay: RunningRelay;
  readonly browser: HeadlessBrowser;
  /** Id of vessel-tiny. */
  readonly model: string;
  readonly tabs: ProviderTab[] = [];
  readonly providers: NodeProvider[] = [];
  readonly #folder: string;

  static async start({ split, relay: options, chromium = [] }: ReachOptions): Promise<ReachNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-reach-'));
    const pageFolder = await ensurePage(process);
    await mkdir(join(folder, 'relay'));
    const store = await new ModelStore(join(folder, 'models')).open();
    const model = await importModel(
      { source: tinyFolder, name: 'vessel-tiny', dtype: 'f32', settings: {} },
      { store, hub: () => Promise.reject(new Error('no hub here')), downloads: join(folder, 'downloads') },
    );
    const relay = await startRelay({
      ...options,
      folder: join(folder, 'relay'),
      store,
      host: '127.0.0.1',
      port: 0,
      pageFolder,
      policy: { split: new Map([[model.id, split]]) },
      http: { requestsPerMinute: 1e6 },
      queueMs: 90_000,
    });
    const browser = await launchBrowser({ extraArgs: chromium });
    return new ReachNetwork({ relay, browser, folder, model: model.id });
  }

  private constructor(parts: { relay: RunningRelay; browser: HeadlessBrowser; folder: string; model: string }) {
    this.relay = parts.relay;
    this.browser = parts.browser;
    this.model = parts.model;
    this.#folder = parts.folder;
  }

  /** A tab that contributes, in a context of its own. */
  async addTab({ hideAddress = false, dutyCycle = 1, url, start, prepare }: ReachTab = {}): Promise<ProviderTab> {
    const context = await this.browser.newContext();
    await prepare?.(context);
    const page = await context.newPage();
    const tab = new ProviderTab(page);
    await page.goto(url ?? this.relay.url);
    await until('the page has its script', () => page.evaluate(() => 'vessel' in globalThis));
    this.tabs.push(tab);
    if (start) {
      await start(page);
      return tab;
    }
    await page.evaluate((settings) => void (globalThis as unknown as ContributingScope).vessel.startContribution(settings), {
      memoryBytes,
      dutyCycle,
      backend: 'wasm',
      hideAddress,
    });
    return tab;
  }

  async addProvider(url = this.relay.url): Promise<NodeProvider> {
    const provider = await NodeProvider.start({
      relayUrl: url,
      key: await deviceKey(await generateKeyPair()),
      blobFolder: await mkdtemp(join(this.#folder, 'blobs-')),
      memoryBytes: 1e9,
    });
    this.providers.push(provider);
    return provider;
  }

  /** Every layer is held. Nothing is said about links. */
  ready(): Promise<void> {
    return until('the model is ready', () => this.relay.coordinator.isReady(this.model));
  }

  /** Neighbours have found each other, and not through the relay. */
  linked(): Promise<void> {
    return until('neighbours are connected', () => this.relay.coordinator.isLinked(this.model));
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.relay.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  async close(): Promise<void> {
    for (const provider of this.providers) await provider.stop();
    await this.browser.close();
    await this.relay.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface ContributingScope {
  vessel: {
    startContribution(settings: { memoryBytes: number; dutyCycle: number; backend: string; hideAddress: boolean }): Promise<void>;
  };
}

/** Greedy ids of an answer. */
export async function answerIds(
  vessel: Vessel,
  sample: TinySample,
  onToken: (count: number) => void = () => {},
): Promise<number[]> {
  const ids: number[] = [];
  const asked = vessel.askIds({
    model: 'vessel-tiny',
    promptIds: sample.promptIds,
    maxTokens: sample.allIds.length,
    stopIds: [],
    sampling: samplingSchema.parse({ temperature: 0, seed: 1 }),
  });
  for await (const event of asked) {
    if (event.type !== 'token') continue;
    ids.push(event.id);
    onToken(ids.length);
  }
  return ids;
}
