import type { Clock } from '../shared/protocol/clock.ts';
import { VesselError } from '../shared/protocol/errors.ts';

/** A watchdog that is set for a stretch of work and set again by every sign of life. */
export class AskDeadline {
  readonly #clock: Clock;
  readonly #onMissed: (error: VesselError) => void;
  #cancel = () => {};
  #ms = 0;
  #why = '';

  constructor(clock: Clock, onMissed: (error: VesselError) => void) {
    this.#clock = clock;
    this.#onMissed = onMissed;
  }

  within(ms: number, why: string): void {
    this.#ms = ms;
    this.#why = why;
    this.again();
  }

  again(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(this.#ms, () => this.#onMissed(new VesselError('deadline', this.#why)));
  }

  clear(): void {
    this.#cancel();
  }
}
