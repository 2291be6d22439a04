/** A relay in this process and provider tabs in a real Chromium, which reach it through a proxy that counts. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import type { RelayChain } from '../../relay/chain/relay-chain.ts';
import { ensurePage } from '../../relay/cli/ensure-page.ts';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import type { PaymentSettings } from '../../relay/payments/payment-settings.ts';
import { type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { CountingProxy } from './counting-proxy.ts';
import type { PageContribution, PageScope } from './page-scope.ts';
import { until } from './until.ts';
import { tinyFolder } from './vessel-process.ts';

export interface TabNetworkOptions {
  /** Layers of each part of vessel-tiny. */
  split: number[];
  queueMs?: number;
  /** A network where work is paid. */
  chain?: RelayChain;
  payments?: Partial<PaymentSettings>;
}

export interface TabSettings {
  backend?: 'wasm' | 'webgpu';
  /** Share of the time it works. */
  dutyCycle?: number;
  /** Default: a context of its own, which shares no storage with others. */
  context?: BrowserContext;
}

const memoryBytes = 2 ** 30;

export class TabNetwork {
  readonly relay: RunningRelay;
  readonly proxy: CountingProxy;
  readonly browser: HeadlessBrowser;
  /** Id of vessel-tiny. */
  readonly model: string;
  readonly tabs: ProviderTab[] = [];
  readonly #folder: string;

  static async start({ split, queueMs = 60_000, chain, payments }: TabNetworkOptions): Promise<TabNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-tabs-'));
    const pageFolder = await ensurePage(process);
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
      pageFolder,
      policy: { split: new Map([[model.id, split]]) },
      http: { requestsPerMinute: 1e6 },
      queueMs,
      ...(chain ? { chain } : {}),
      ...(payments ? { payments } : {}),
    });
    const proxy = await CountingProxy.before(relay.port);
    const browser = await launchBrowser();
    return new TabNetwork({ relay, proxy, browser, folder, model: model.id });
  }

  private constructor(parts: {
    relay: RunningRelay;
    proxy: CountingProxy;
    browser: HeadlessBrowser;
    folder: string;
    model: string;
  }) {
    this.relay = parts.relay;
    this.proxy = parts.proxy;
    this.browser = parts.browser;
    this.model = parts.model;
    this.#folder = parts.folder;
  }

  get url(): string {
    return this.proxy.url;
  }

  /** The page, in a context of its own unless one is given. It contributes nothing yet. */
  async openPage(context?: BrowserContext): Promise<ProviderTab> {
    const page = await (context ?? (await this.browser.newContext())).newPage();
    const tab = new ProviderTab(page);
    await page.goto(this.url);
    await until('the page has its script', () => page.evaluate(() => 'vessel' in globalThis));
    return tab;
  }

  /** A page that contributes. `isReady` and the like tell when it has begun to serve. */
  async addTab(settings: TabSettings = {}): Promise<ProviderTab> {
    const tab = await this.openPage(settings.context);
    this.tabs.push(tab);
    await tab.start(settings);
    return tab;
  }

  async addTabs(count: number, settings?: TabSettings): Promise<ProviderTab[]> {
    return Promise.all(Array.from({ length: count }, () => this.addTab(settings)));
  }

  /** Every layer is held and neighbours have found each other. */
  ready(): Promise<void> {
    return until(
      'the model is ready',
      () => this.relay.coordinator.isReady(this.model) && this.relay.coordinator.isLinked(this.model),
    );
  }

  /** No session is left, on any tab that is still open and at the relay. */
  async idle(): Promise<void> {
    await until('the relay has no session', () => this.relay.coordinator.sessions === 0);
    for (const tab of this.tabs) {
      if (!tab.page.isClosed()) await until('a tab has no session', async () => (await tab.contribution()).sessions === 0);
    }
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.relay.close();
    this.proxy.cut();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

export class ProviderTab {
  readonly page: Page;
  /** What the page complained about. */
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
  }

  contribution(): Promise<PageContribution> {
    return this.page.evaluate(() => (globalThis as unknown as PageScope).vessel.state.getSnapshot().contribution);
  }

  /** As if Start had been pressed; does not wait for the shard. */
  start({ backend = 'wasm', dutyCycle = 1 }: Omit<TabSettings, 'context'> = {}): Promise<void> {
    return this.page.evaluate((settings) => void (globalThis as unknown as PageScope).vessel.startContribution(settings), {
      memoryBytes,
      dutyCycle,
      backend,
    });
  }

  /** First and last layer + 1 of what it holds, once it is ready. */
  async layers(): Promise<[number, number]> {
    let range: [number, number] | null = null;
    await until('a tab is ready', async () => {
      const { phase, shard } = await this.contribution();
      if (shard && (phase === 'ready' || phase === 'working')) range = [shard.from, shard.to];
      return range !== null;
    });
    return range!;
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
