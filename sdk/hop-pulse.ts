/**
 * Whether a hop is still there, by what is heard of it. Hops say `alive` every `limits.aliveMs` while they have sessions; one that
 * was seen to beat less evenly (a busy device, a long way) is given more time, up to `limits.maxSilentMs`.
 */
import type { Clock } from '../shared/protocol/clock.ts';
import { limits } from '../shared/protocol/limits.ts';

/** A gap counts this many times: the next one may be longer. */
const gapFactor = 3;
/** What a gap counts for after each sign of life that follows. */
const forget = 0.97;

export class HopPulse {
  readonly #clock: Clock;
  heardMs: number;
  /** When it last said `alive`; null: not since the last idle time. */
  #aliveMs: number | null = null;
  #longestGapMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.heardMs = clock.now();
  }

  heard(isAlive: boolean): void {
    this.heardMs = this.#clock.now();
    if (!isAlive) return;
    const gapMs = this.#aliveMs === null ? 0 : this.heardMs - this.#aliveMs;
    this.#aliveMs = this.heardMs;
    // Longer ones are times without a session.
    this.#longestGapMs = Math.max(gapMs <= limits.maxSilentMs ? gapMs : 0, this.#longestGapMs * forget);
  }

  get silentMs(): number {
    return this.#clock.now() - this.heardMs;
  }

  /** Silent for longer than this: lost. */
  get allowedMs(): number {
    return Math.min(limits.maxSilentMs, Math.max(limits.silentMs, gapFactor * this.#longestGapMs));
  }
}
