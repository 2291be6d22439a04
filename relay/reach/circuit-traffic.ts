/**
 * Who sends how much through the relay's circuits. Signalling is free for everyone; data is for peers that are present, for a few
 * pairs at a time, and at a rate that no tunnel is worth. Everyone pays for what they send.
 */
import type { CircuitLimits } from './circuit-limits.ts';

export interface CircuitTrafficOptions {
  limits: CircuitLimits;
  /** Milliseconds, never backwards. */
  now: () => number;
  /** Whether this peer may send more than signalling. */
  mayCarry: (peer: string) => boolean;
}

/** One direction of a circuit. */
export interface Way {
  /** null: pass it on. Otherwise why the circuit ends. */
  carry(bytes: number): string | null;
  /** May be called more than once. */
  close(): void;
}

export class CircuitTraffic {
  readonly #options: CircuitTrafficOptions;
  readonly #peers = new Map<string, { purse: Purse; ways: number; open: number }>();
  readonly #all: Purse;
  #ways = 0;
  #bytes = 0;

  constructor(options: CircuitTrafficOptions) {
    const { allBytes, allBytesPerSecond } = options.limits;
    this.#options = options;
    this.#all = new Purse(allBytes, allBytesPerSecond, options.now());
  }

  /** Directions that carry data now. */
  get ways(): number {
    return this.#ways;
  }

  /** Bytes carried so far, signalling included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Peers that are remembered. */
  get peers(): number {
    return this.#peers.size;
  }

  open(peer: string): Way {
    const { limits, now } = this.#options;
    this.#forget();
    let known = this.#peers.get(peer);
    if (!known) {
      known = { purse: new Purse(limits.peerBytes, limits.peerBytesPerSecond, now()), ways: 0, open: 0 };
      this.#peers.set(peer, known);
    }
    const sender = known;
    sender.open++;
    let carried = 0;
    let isData = false;
    let isClosed = false;
    return {
      carry: (bytes) => {
        if (isClosed) return 'The circuit is closed.';
        carried += bytes;
        if (!isData && carried > limits.signallingBytes) {
          const why = this.#refuse(peer, sender.ways);
          if (why) return why;
          isData = true;
          sender.ways++;
          this.#ways++;
        }
        const at = now();
        if (!sender.purse.take(bytes, at)) return 'This peer has sent more through the relay than it may.';
        if (!this.#all.take(bytes, at)) return 'The relay carries as much as it can.';
        this.#bytes += bytes;
        return null;
      },
      close: () => {
        if (isClosed) return;
        isClosed = true;
        sender.open--;
        if (!isData) return;
        sender.ways--;
        this.#ways--;
      },
    };
  }

  #refuse(peer: string, ways: number): string | null {
    const { limits, mayCarry } = this.#options;
    if (this.#ways >= limits.total) return 'The relay carries as many pairs as it can.';
    if (ways >= limits.perPeer) return 'This peer sends over as many circuits as it may.';
    return mayCarry(peer) ? null : 'This peer is not present: only signalling passes.';
  }

  /** Who has nothing open and a full purse needs no memory. A few are looked at each time: enough, as each time adds at most one. */
  #forget(): void {
    const now = this.#options.now();
    let looks = 4;
    for (const [peer, known] of this.#peers) {
      if (looks-- === 0) return;
      this.#peers.delete(peer);
      // Back at the end of the line.
      if (known.open > 0 || !known.purse.isFull(now)) this.#peers.set(peer, known);
    }
  }
}

/** A token bucket of bytes. */
class Purse {
  readonly #size: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  constructor(size: number, perSecond: number, nowMs: number) {
    this.#size = size;
    this.#perSecond = perSecond;
    this.#left = size;
    this.#atMs = nowMs;
  }

  take(bytes: number, nowMs: number): boolean {
    this.#fill(nowMs);
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  isFull(nowMs: number): boolean {
    this.#fill(nowMs);
    return this.#left === this.#size;
  }

  #fill(nowMs: number): void {
    this.#left = Math.min(this.#size, this.#left + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
  }
}
