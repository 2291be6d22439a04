/** Three hops that ask for money, an asker with a session key, and a chain in memory, on fake wires. */
import { MemoryVoucherStore } from '../provider/metering/memory-voucher-store.ts';
import { Metering, type MeteringOptions } from '../provider/metering/metering.ts';
import type { Earned } from '../provider/metering/metering-ports.ts';
import { createAskIds } from '../sdk/ask-ids.ts';
import { type DeviceKey, deviceKey, generateKeyPair } from '../sdk/net/device-key.ts';
import { OrderPool } from '../sdk/order-pool.ts';
import { newSessionKey } from '../sdk/paying/session-key.ts';
import { VoucherPayer, type VoucherPayerOptions } from '../sdk/paying/voucher-payer.ts';
import type { AskEvent, AskIds } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { address, FakeChain, networkTerms } from './fake-chain.ts';
import { FakeAskPorts, type FakeProvider, FakeWires } from './fake-links.ts';
import type { FakeRuntimeOptions } from './fake-runtime.ts';
import { languageModel, sampling } from './language-model.ts';
import { pendingCrypto } from './pending-crypto.ts';

export const payerAddress = address(0xaa);

export interface PaidHop {
  provider: FakeProvider;
  metering: Metering;
  key: DeviceKey;
  earned: Earned[];
  /** Positions that its runtime has computed. */
  positions: () => number;
}

export interface PaidHopOptions extends Partial<MeteringOptions> {
  runtime?: FakeRuntimeOptions;
  /** Stands between the metering and its key: a hop that lies. */
  wrap?: (key: DeviceKey) => DeviceKey;
}

export class PaidNetwork {
  readonly wires: FakeWires;
  readonly chain = new FakeChain();
  readonly terms = networkTerms();
  readonly model = languageModel({ layers: 6, context: 512 });
  readonly hops: PaidHop[] = [];
  readonly sessionKey = newSessionKey();
  readonly ports: FakeAskPorts;
  readonly pool: OrderPool;

  static async create(seed = 1, options: readonly PaidHopOptions[] = [{}, {}, {}]): Promise<PaidNetwork> {
    const network = new PaidNetwork(seed);
    for (const [index, hop] of options.entries()) await network.#addHop(index, hop);
    network.chain.authorize(payerAddress, network.sessionKey.address);
    await network.wires.settle();
    return network;
  }

  private constructor(seed: number) {
    this.wires = new FakeWires(seed);
    this.wires.isBusy = pendingCrypto;
    this.ports = new FakeAskPorts(this.wires, 'asker', () =>
      this.hops.slice(0, 3).map(({ provider }, index) => ({ provider, ...this.#range(index) })),
    );
    // Hops from the fourth on are spares for the first three.
    this.ports.onLost = ({ again, avoid = [] }) =>
      [0, 1, 2].map((place) => {
        const range = this.#range(place);
        const stays = again!.kept.find(({ from }) => from === range.from)?.provider;
        const holders = this.hops.filter((_, index) => index % 3 === place).map(({ provider }) => provider);
        const fits = (peer: string) => (stays ? peer === stays : !avoid.includes(peer));
        const provider = holders.find(({ peer, isAlive }) => isAlive && fits(peer));
        if (!provider) throw new VesselError('no_route', 'Nobody else holds these layers.');
        return { provider, ...range };
      });
    this.ports.terms = this.terms;
    this.pool = new OrderPool(this.ports);
  }

  /** Layers of the hop at this place. */
  #range(index: number): { from: number; to: number } {
    return { from: 2 * (index % 3), to: 2 * (index % 3) + 2 };
  }

  async #addHop(index: number, { runtime, wrap, ...options }: PaidHopOptions): Promise<void> {
    const own = await deviceKey(await generateKeyPair());
    const key = wrap?.(own) ?? own;
    let positions = 0;
    const metering = new Metering({
      signer: key,
      clock: this.wires.clock,
      unixSeconds: () => this.wires.time.nowMs / 1000,
      coverage: this.chain,
      store: new MemoryVoucherStore(),
      ...options,
    });
    metering.terms = this.terms;
    const provider = this.wires.addProvider(`paid${index}`, [this.model], {
      metering,
      runtime: {
        ...runtime,
        onStep: async (count) => {
          await runtime?.onStep?.(count);
          positions += count;
        },
      },
    });
    provider.core.assign([{ model: this.model.id, ...this.#range(index) }]);
    const hop: PaidHop = { provider, metering, key, earned: [], positions: () => positions };
    metering.onEarned = (earned) => hop.earned.push(earned);
    this.hops.push(hop);
  }

  payer(rest: Partial<VoucherPayerOptions> = {}): VoucherPayer {
    const { privateKey } = this.sessionKey;
    return new VoucherPayer({ sessionKey: privateKey, payer: payerAddress, place: this.terms, cap: 10n ** 18n, ...rest });
  }

  request(rest: Partial<AskIds> = {}): AskIds {
    const promptIds = Array.from({ length: 5 }, (_, index) => index + 1);
    return { model: this.model.id, promptIds, maxTokens: 4, sampling: sampling(), stopIds: [], payer: this.payer(), ...rest };
  }

  ask(rest: Partial<AskIds> = {}): AsyncIterable<AskEvent> {
    return createAskIds(this.ports, this.pool)(this.request(rest));
  }

  /** The whole answer. Rejects with what ends it. */
  async answer(rest: Partial<AskIds> = {}): Promise<AskEvent[]> {
    const events = await this.wires.until(collect(this.ask(rest)));
    // What settles the session is on its way still.
    await this.wires.settle();
    return events;
  }

  /** Ends everything; returns the sessions, caches and timers that are left, which should be none. */
  async end(): Promise<number> {
    await this.wires.wait(limits.settleWaitMs + 1000);
    const left = this.hops.reduce((sum, { provider }) => sum + provider.core.status().sessions + provider.openCaches, 0);
    return left + this.ports.open.size + this.wires.time.waiting;
  }
}

export async function collect(events: AsyncIterable<AskEvent>): Promise<AskEvent[]> {
  const all: AskEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
