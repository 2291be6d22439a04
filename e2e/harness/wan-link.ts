/** What a wide-area line does to packets: it takes time, jitters, loses, is narrow, and may be cut. Works on callbacks, so for UDP and TCP alike. */

export interface WanConditions {
  /** One way, milliseconds; a round trip is twice that. */
  delayMs: number;
  /** Added to some packets, up to this many milliseconds. UDP packets overtake each other by it. */
  jitterMs: number;
  /** Share of packets that is lost, 0 to 1. */
  loss: number;
  /** Bytes a second in each direction. */
  bytesPerSecond: number;
  /** False: a partition. Nothing passes and nobody is told. */
  isOpen: boolean;
}

export const goodLine: WanConditions = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  isOpen: true,
};

/** What waits longer than this is dropped by the router in front of a narrow line. */
const queueMs = 500;
/** A lost TCP segment comes again after about this long, and holds up those behind it. */
const retransmitMs = 200;

/** One line, which many sockets may share. Its conditions may change while it runs. */
export class WanLink {
  conditions: WanConditions;
  /** Packets that passed, and that were lost or cut off. */
  passed = 0;
  dropped = 0;
  readonly #random: () => number;

  constructor(conditions: Partial<WanConditions>, random: () => number) {
    this.conditions = { ...goodLine, ...conditions };
    this.#random = random;
  }

  /** One direction between two places. */
  direction(): WanDirection {
    return new WanDirection(this, this.#random);
  }
}

export class WanDirection {
  readonly #link: WanLink;
  readonly #random: () => number;
  /** When the line is free again. */
  #freeAtMs = 0;
  /** Of the stream, in order. */
  readonly #pieces: { atMs: number; arrive: () => void }[] = [];

  constructor(link: WanLink, random: () => number) {
    this.#link = link;
    this.#random = random;
  }

  /** A datagram: arrives late, out of order, or not at all. */
  packet(bytes: number, arrive: () => void): void {
    const { delayMs, jitterMs, loss, isOpen } = this.#link.conditions;
    const queuedMs = this.#queue(bytes);
    if (!isOpen || queuedMs > queueMs || this.#random() < loss) {
      this.#link.dropped++;
      return;
    }
    this.#link.passed++;
    setTimeout(arrive, queuedMs + delayMs + this.#random() * jitterMs);
  }

  /** A piece of a stream: arrives late, in order, and always, unless the line is cut. */
  piece(bytes: number, arrive: () => void): void {
    const { delayMs, jitterMs, loss, isOpen } = this.#link.conditions;
    const queuedMs = this.#queue(bytes);
    if (!isOpen) {
      this.#link.dropped++;
      return;
    }
    this.#link.passed++;
    const segments = Math.ceil(bytes / 1400);
    let lateMs = this.#random() * jitterMs;
    for (let i = 0; i < segments; i++) if (this.#random() < loss) lateMs += retransmitMs;
    this.#pieces.push({ atMs: performance.now() + queuedMs + delayMs + lateMs, arrive });
    if (this.#pieces.length === 1) this.#wait();
  }

  /** One timer for the first in line: timers of different lengths do not keep the order. */
  #wait(): void {
    const [first] = this.#pieces;
    if (!first) return;
    setTimeout(
      () => {
        this.#pieces.shift();
        first.arrive();
        this.#wait();
      },
      Math.max(0, first.atMs - performance.now()),
    );
  }

  /** Milliseconds until the last of these bytes has left. */
  #queue(bytes: number): number {
    const now = performance.now();
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (bytes / this.#link.conditions.bytesPerSecond) * 1000;
    return this.#freeAtMs - now;
  }
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
