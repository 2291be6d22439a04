/**
 * Finds the hop at which an answer has come to a halt although every hop says that it is there. When nothing has moved for a while
 * all hops are asked how far they are. Rows that one has computed and the next has not taken: the link between them is stuck.
 * Positions that one has taken and not computed: it works, or its device hangs; it gets much longer.
 */
import type { Clock } from '../shared/protocol/clock.ts';
import { limits } from '../shared/protocol/limits.ts';

interface Place {
  position: number;
  computed: number;
}

/** A slow link is given this long for each row that waits: 16 kB at 160 kB/s. */
const rowMs = 100;

export class StallWatch {
  readonly #clock: Clock;
  readonly #events: { ask: () => void; onStuck: (index: number) => void };
  #cancel = () => {};
  #movedMs = 0;
  #places = new Map<number, Place>();
  #hops = 0;
  /** Where each hop was when it was asked before. */
  #before = new Map<number, Place>();
  #unchangedSinceMs = 0;

  constructor(clock: Clock, events: { ask: () => void; onStuck: (index: number) => void }) {
    this.#clock = clock;
    this.#events = events;
  }

  /** There is a token or progress: all is well. */
  moved(): void {
    this.#movedMs = this.#clock.now();
    this.#unchangedSinceMs = this.#movedMs;
    this.#before.clear();
    this.#again(limits.stalledMs);
  }

  /** Nobody is expected to move. */
  pause(): void {
    this.#cancel();
  }

  /** Hop `index` of `hops` has answered. */
  told(index: number, place: Place, hops: number): void {
    this.#hops = hops;
    this.#places.set(index, place);
  }

  #again(ms: number): void {
    this.#cancel();
    this.#cancel = this.#clock.after(ms, () => {
      this.#again(limits.stalledMs / 4);
      if (this.#judge()) return;
      this.#places.clear();
      this.#events.ask();
    });
  }

  /** True if somebody was found. */
  #judge(): boolean {
    if (this.#hops === 0 || this.#places.size < this.#hops) return false;
    const now = this.#clock.now();
    const hasChanged = [...this.#places].some(([index, { position, computed }]) => {
      const before = this.#before.get(index);
      return before !== undefined && (before.position !== position || before.computed !== computed);
    });
    this.#before = new Map(this.#places);
    if (hasChanged) this.#unchangedSinceMs = now;
    const stillMs = now - this.#unchangedSinceMs;
    const stuck = this.#stuckAt(stillMs);
    if (stuck === null) return false;
    this.#places.clear();
    this.#events.onStuck(stuck);
    return true;
  }

  /** Index of the hop that keeps the others waiting. */
  #stuckAt(stillMs: number): number | null {
    for (let index = 0; index < this.#hops; index++) {
      const here = this.#places.get(index)!;
      const next = this.#places.get(index + 1);
      const waiting = next ? here.computed - next.position : 0;
      if (waiting > 0) return stillMs > limits.stalledMs + Math.min(limits.prefillChunk, waiting) * rowMs ? index + 1 : null;
      if (here.position > here.computed) return stillMs > limits.stuckMs ? index : null;
    }
    // Nobody has anything to do: the token on its way from the last hop back to the first.
    return this.#hops > 1 && stillMs > limits.stalledMs + rowMs ? 0 : null;
  }
}
