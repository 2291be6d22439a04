/**
 * How this node gets to another: over WebRTC (directly, or through TURN where that fails), and when that cannot be, over the relay's
 * circuit. One dial per peer at a time.
 */
import type { Connection } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { VesselError } from '../../shared/protocol/errors.ts';
import { frameProtocol, orderProtocol } from '../../shared/protocol/version.ts';

/**
 * A dial takes 0.15 s on one machine and 0.6 s over WAN, but among tabs that dial each other all at once a signalling exchange now and
 * then hangs; repeated, it succeeds at once. libp2p ends a hung one after 6 s.
 */
const tryDeadlinesMs = [8000, 6000, 6000];
const circuitDeadlineMs = 8000;
/** Longer than a dial takes on one machine, shorter than anyone minds: links are made before they are needed. */
const courtesyMs = 700;
/** A node that has failed with some and succeeded with nobody is behind a firewall: it does not try for long with the next. */
const hopelessMs = 2000;
/** A pair that could not connect directly uses the circuit for this long before it tries again. */
const circuitMemoryMs = 5 * 60_000;
const maxRemembered = 1000;
/** Identify gives up after 5 s. */
const provingMs = 6000;
/** The other side of a handshake may not have seen its end yet. */
const leftoverMs = 5000;

/** The part of libp2p that is used here. */
export type DialNode = Pick<Libp2p, 'dial' | 'getConnections' | 'addEventListener'>;

export interface PeerDialsOptions {
  libp2p: DialNode;
  self: string;
  relayAddress: string;
  /** Whether there is any other way than the circuit. */
  hasWebRtc: () => boolean;
}

export class PeerDials {
  readonly #options: PeerDialsOptions;
  readonly #dialling = new Map<string, Promise<Connection>>();
  readonly #circuits = new Map<string, Promise<Connection>>();
  /** Circuits that were opened to stay, not for a handshake. */
  readonly #meant = new WeakSet<Connection>();
  /** Pairs that could not connect directly, and until when that is believed. */
  readonly #unreachable = new Map<string, number>();
  /** Direct connections on which something has come back. */
  readonly #proven = new WeakSet<Connection>();
  /** Called whenever a connection is proven. */
  readonly #onProven = new Set<(connection: Connection) => void>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #hasSucceeded = false;

  constructor(options: PeerDialsOptions) {
    this.#options = options;
    options.libp2p.addEventListener('connection:open', ({ detail }) => this.#opened(detail));
    options.libp2p.addEventListener('peer:identify', ({ detail }) => this.#prove(detail.connection));
  }

  /** An open connection: direct if there is one or one can be made, else over the circuit. Rejects with `provider_lost`. */
  async to(peer: string): Promise<Connection> {
    const direct = this.#direct(peer);
    if (direct) return direct;
    if (!this.#options.hasWebRtc() || this.#isUnreachable(peer)) return this.#circuit(peer);
    const dial = this.#dialOnce(peer);
    try {
      return await (this.#isHopeless ? within(dial, hopelessMs) : dial);
    } catch (cause) {
      // Those who know each other may still have tried at the same time and met.
      const met = this.#direct(peer);
      if (met) return met;
      try {
        return await this.#circuit(peer);
      } catch {
        // Worth waiting for what is still being tried; its failure tells more than the circuit's.
        if (cause instanceof OutOfPatience) return dial;
        throw cause;
      }
    }
  }

  /** Looks after nothing any more. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  get #isHopeless(): boolean {
    return !this.#hasSucceeded && this.#unreachable.size > 0;
  }

  #direct(peer: string): Connection | undefined {
    return this.#connections(peer).find((connection) => this.#proven.has(connection));
  }

  #connections(peer: string): Connection[] {
    return this.#options.libp2p.getConnections(peerIdFromString(peer)).filter(({ status }) => status === 'open');
  }

  #isUnreachable(peer: string): boolean {
    return (this.#unreachable.get(peer) ?? 0) > performance.now();
  }

  #remember(peer: string): void {
    this.#unreachable.delete(peer);
    this.#unreachable.set(peer, performance.now() + circuitMemoryMs);
    if (this.#unreachable.size > maxRemembered) this.#unreachable.delete(this.#unreachable.keys().next().value!);
  }

  #dialOnce(peer: string): Promise<Connection> {
    let dial = this.#dialling.get(peer);
    if (!dial) {
      dial = this.#dial(peer).finally(() => this.#dialling.delete(peer));
      dial.catch(() => {
        this.#remember(peer);
        this.#sweepLater(peer);
      });
      this.#dialling.set(peer, dial);
    }
    return dial;
  }

  /**
   * The first and last hop of a route of two dial each other at the same moment. Such crossing dials can both hang, so whichever
   * connection opens first is taken, ours or theirs.
   */
  async #dial(peer: string): Promise<Connection> {
    const { libp2p, relayAddress } = this.#options;
    const address = multiaddr(`${relayAddress}/p2p-circuit/webrtc/p2p/${peer}`);
    let stopListening = () => {};
    const theirs = new Promise<Connection>((resolve) => {
      const onProven = (connection: Connection) => {
        if (connection.remotePeer.toString() === peer) resolve(connection);
      };
      this.#onProven.add(onProven);
      stopListening = () => this.#onProven.delete(onProven);
    });
    try {
      const given = await Promise.race([theirs, this.#courtesy(peer)]);
      if (given) return given;
      let failure: unknown;
      for (const deadlineMs of tryDeadlinesMs) {
        // `force`: libp2p would close its own connection where the other side's came first, and so would the other side: none is left.
        // A dial that lost the race is left to its deadline: aborting it could close the connection that won.
        const ours = libp2p.dial(address, { force: true, signal: AbortSignal.timeout(deadlineMs) });
        ours.catch(() => undefined);
        try {
          return await Promise.race([ours, theirs]);
        } catch (cause) {
          const connection = this.#direct(peer);
          if (connection) return connection;
          failure = cause;
        }
      }
      throw unreachable(peer, failure);
    } finally {
      stopListening();
    }
  }

  /** Dials that cross on the relay's circuit can both hang: of two peers, the one with the higher id lets the other try first. */
  #courtesy(peer: string): Promise<null> {
    return new Promise((resolve) => setTimeout(resolve, this.#options.self > peer ? courtesyMs : 0, null));
  }

  #circuit(peer: string): Promise<Connection> {
    // What a handshake that failed has left behind looks open and answers nothing.
    const open = this.#connections(peer).find((connection) => connection.limits !== undefined && this.#isInUse(connection));
    if (open) return Promise.resolve(open);
    let circuit = this.#circuits.get(peer);
    if (!circuit) {
      const address = multiaddr(`${this.#options.relayAddress}/p2p-circuit/p2p/${peer}`);
      circuit = this.#options.libp2p
        .dial(address, { force: true, signal: AbortSignal.timeout(circuitDeadlineMs) })
        .then(
          (connection) => {
            this.#meant.add(connection);
            return connection;
          },
          (cause) => {
            throw unreachable(peer, cause);
          },
        )
        .finally(() => this.#circuits.delete(peer));
      this.#circuits.set(peer, circuit);
    }
    return circuit;
  }

  /**
   * Who dialled has seen the connection work. Who was dialled has not: when the handshake ends early, libp2p (3.3.11) opens a
   * connection that leads nowhere. Identify, which runs on every connection, tells them apart.
   */
  #opened(connection: Connection): void {
    if (connection.limits !== undefined) return;
    if (connection.direction === 'outbound') {
      this.#prove(connection);
      return;
    }
    this.#later(provingMs, () => {
      if (!this.#proven.has(connection)) connection.abort(new Error('The connection leads nowhere.'));
    });
  }

  #prove(connection: Connection): void {
    const peer = connection.remotePeer.toString();
    // The relay itself is no peer to be reached.
    if (connection.limits !== undefined || this.#proven.has(connection) || this.#options.relayAddress.endsWith(peer)) return;
    this.#proven.add(connection);
    this.#hasSucceeded = true;
    this.#unreachable.delete(peer);
    for (const tell of [...this.#onProven]) tell(connection);
    this.#sweepLater(peer);
  }

  /** What a handshake leaves behind is a circuit that the relay counts, and that nobody needs. */
  #sweepLater(peer: string): void {
    this.#later(leftoverMs, () => {
      const isConnected = this.#direct(peer) !== undefined;
      for (const connection of this.#connections(peer)) {
        // Without a direct connection theirs may still be at it.
        const isDone = isConnected || connection.direction === 'outbound';
        if (connection.limits !== undefined && isDone && !this.#isInUse(connection)) connection.abort(new Error('not needed'));
      }
    });
  }

  #later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #isInUse(connection: Connection): boolean {
    const isOurs = connection.streams.some(({ protocol }) => protocol === orderProtocol || protocol === frameProtocol);
    return isOurs || (this.#meant.has(connection) && this.#direct(connection.remotePeer.toString()) === undefined);
  }
}

class OutOfPatience extends Error {}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OutOfPatience()), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function unreachable(peer: string, cause: unknown): VesselError {
  return new VesselError('provider_lost', `No connection to provider ${peer.slice(-8)} could be made: ${reason(cause)}.`, {
    cause,
  });
}

/** libp2p gathers the failures of several addresses in one error: the first one tells most. */
export function reason(cause: unknown): string {
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return first instanceof Error ? first.message : String(first);
}
