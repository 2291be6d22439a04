/** The provider's talk with the relay: offer, heartbeats, assignments, leases. Sockets are outside. */
import type { Clock } from '../shared/protocol/clock.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { Capability, PresenceClientMessage, PresenceRelayMessage } from '../shared/protocol/presence-messages.ts';
import type { Earned } from './metering/metering-ports.ts';
import type { Provider } from './provider.ts';

export interface ProviderAgentOptions {
  provider: Provider;
  capability: Capability;
  clock: Clock;
  /** To the relay; lost while it is offline, and said again with the next heartbeat. */
  send: (message: PresenceClientMessage) => void;
  /** Measured round trips to other providers; null for pairs that could not connect. */
  links: () => [string, number | null][];
  /** Makes sure of a link before it is needed; failing is no harm. */
  connect: (peer: string) => Promise<void>;
}

const linkRetryMs = 500;
const longestLinkRetryMs = 30_000;

export class ProviderAgent {
  readonly #options: ProviderAgentOptions;
  #cancel = () => {};
  /** Whom the relay wants this provider linked to, with what takes a planned retry back. */
  #neighbours = new Map<string, () => void>();
  /** What the last change told. */
  #phases = '';
  #state: 'sharing' | 'paused' | 'leaving' = 'sharing';

  constructor(options: ProviderAgentOptions) {
    this.#options = options;
    const { metering } = options.provider;
    if (metering) metering.onEarned = (earned) => this.#handIn(earned);
    this.#beat();
  }

  /** The relay said welcome, for the first time or after a restart: it knows nothing of this provider now. */
  welcomed(terms: NetworkTerms | null = null): void {
    const { provider, capability, send } = this.#options;
    const { metering } = provider;
    if (metering) metering.terms = terms;
    const ask = metering?.ask;
    send({ type: 'offer', capability, ...(ask ? { ask } : {}) });
    this.heartbeat();
    // What the relay lost, or never got, while this provider was away. A chain that does not answer is asked at the next welcome.
    void metering
      ?.unclaimed()
      .then((all) => all.forEach((earned) => void this.#handIn(earned)))
      .catch(() => undefined);
  }

  /** Credits are in the relay's own books already. */
  #handIn(earned: Earned): void {
    if (earned.payment.kind === 'voucher') this.#options.send({ type: 'earned', ...earned });
  }

  receive(message: PresenceRelayMessage): void {
    const { provider } = this.#options;
    switch (message.type) {
      case 'assign':
        provider.assign(message.shards);
        this.heartbeat();
        return;
      case 'lease': {
        const { type: _, ...lease } = message;
        provider.lease(lease);
        return;
      }
      case 'release':
        provider.release(message.session);
        return;
      case 'link':
        this.#seek(message.peers);
        return;
      default:
        // The rest is for askers and pages.
        return;
    }
  }

  /** A neighbour that cannot be reached is tried again while the relay wants the link: tabs are busiest when they have just come. */
  async #link(peer: string, retryMs: number): Promise<void> {
    try {
      await this.#options.connect(peer);
    } catch {
      if (!this.#neighbours.has(peer)) return;
      const retry = () => void this.#link(peer, Math.min(2 * retryMs, longestLinkRetryMs));
      this.#neighbours.set(peer, this.#options.clock.after(retryMs, retry));
    }
    if (this.#state !== 'leaving') this.heartbeat();
  }

  #seek(peers: readonly string[]): void {
    for (const cancel of this.#neighbours.values()) cancel();
    this.#neighbours = new Map(peers.map((peer) => [peer, () => {}]));
    for (const peer of peers) void this.#link(peer, linkRetryMs);
  }

  /** Paused: sessions end, no new ones come, the relay looks for another holder. */
  set paused(paused: boolean) {
    this.#state = paused ? 'paused' : 'sharing';
    this.#options.provider.paused = paused;
    this.heartbeat();
  }

  /** Shards or sessions changed: the relay hears of it now rather than with the next beat, but not more often than it helps. */
  changed(): void {
    const phases = this.#options.provider
      .status()
      .shards.map(({ model, from, to, phase }) => `${model} ${from} ${to} ${phase}`)
      .join();
    if (phases === this.#phases) return;
    this.#phases = phases;
    this.heartbeat();
  }

  heartbeat(): void {
    const { shards, sessions, slots, stepMs } = this.#options.provider.status();
    this.#options.send({
      type: 'heartbeat',
      state: this.#state,
      shards: shards.slice(0, limits.maxShardsPerProvider),
      sessions,
      slots,
      stepMs,
      links: this.#options.links().slice(0, 256),
    });
  }

  /** Says goodbye, so that the relay need not wait for silence. */
  leave(): void {
    this.#cancel();
    this.#seek([]);
    this.#state = 'leaving';
    this.heartbeat();
    this.#options.send({ type: 'withdraw' });
  }

  #beat(): void {
    this.#cancel = this.#options.clock.after(limits.heartbeatMs, () => {
      this.#options.provider.tick();
      this.heartbeat();
      this.#beat();
    });
  }
}
