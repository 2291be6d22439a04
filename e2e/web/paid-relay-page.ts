/** Relays that serve the built page to a browser: one with a chain, and one where everything is free. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryVoucherStore } from '../../provider/metering/memory-voucher-store.ts';
import { ensurePage } from '../../relay/cli/ensure-page.ts';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { type RelayOptions, type RunningRelay, startRelay } from '../../relay/start-relay.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { type ChainUnderTest, openChainUnderTest } from '../../testing/chain-under-test.ts';
import { until } from '../harness/until.ts';
import { tinyFolder } from '../harness/vessel-process.ts';

export class RelayPage {
  readonly chain: ChainUnderTest;
  readonly url: string;
  /** The same page at a relay where everything is free. */
  readonly freeUrl: string;
  readonly #paid: RunningRelay;
  readonly #free: RunningRelay;
  readonly #folder: string;
  readonly #store: ModelStore;
  #provider: NodeProvider | null = null;

  static async open(): Promise<RelayPage> {
    const folder = await mkdtemp(join(tmpdir(), 'vessel-paid-page-'));
    const pageFolder = await ensurePage(process);
    const store = await new ModelStore(join(folder, 'models')).open();
    const chain = await openChainUnderTest();
    const start = async (name: string, extra: Partial<RelayOptions>): Promise<RunningRelay> => {
      await mkdir(join(folder, name));
      return startRelay({ folder: join(folder, name), store, host: '127.0.0.1', port: 0, pageFolder, ...extra });
    };
    const paid = await start('paid', { chain: chain.relayChain });
    return new RelayPage({ folder, store, chain, paid, free: await start('free', {}) });
  }

  private constructor(parts: {
    folder: string;
    store: ModelStore;
    chain: ChainUnderTest;
    paid: RunningRelay;
    free: RunningRelay;
  }) {
    this.chain = parts.chain;
    this.url = parts.paid.url;
    this.freeUrl = parts.free.url;
    this.#paid = parts.paid;
    this.#free = parts.free;
    this.#folder = parts.folder;
    this.#store = parts.store;
  }

  /** 1,000 AIC and coins, past the limit of what the relay gives one visitor a minute. */
  async fill(address: Address): Promise<void> {
    await this.chain.relayChain.faucet?.give(address);
  }

  /** Brings vessel-tiny, and somebody who computes all of it for money. */
  async serve(): Promise<void> {
    const model = await importModel(
      { source: tinyFolder, name: 'vessel-tiny', dtype: 'f32', settings: {} },
      { store: this.#store, hub: () => Promise.reject(new Error('no hub here')), downloads: join(this.#folder, 'downloads') },
    );
    this.#provider = await NodeProvider.start({
      relayUrl: this.url,
      key: await deviceKey(await generateKeyPair()),
      blobFolder: await mkdtemp(join(this.#folder, 'blobs-')),
      memoryBytes: 1e9,
      vouchers: new MemoryVoucherStore(),
    });
    await until('the model is ready', () => this.#paid.coordinator.isReady(model.id));
  }

  async close(): Promise<void> {
    await this.#provider?.stop();
    await this.#paid.close();
    await this.#free.close();
    await this.chain.close();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
