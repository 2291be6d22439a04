/**
 * One device, one piece of work at a time, in order of arrival. ONNX Runtime on the web cannot run two sessions at once, and a
 * guest must not take the whole device: after each piece the queue rests so that work fills only `dutyCycle` of the time (C3).
 */
import type { Clock } from '../shared/protocol/clock.ts';

export class WorkQueue {
  readonly #clock: Clock;
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;
  /** Share of time spent working, 0 < dutyCycle ≤ 1. */
  dutyCycle = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pieces waiting or running. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves with the result and the milliseconds the work took, without waiting for the rest that follows it. */
  run<Result>(work: () => Promise<Result>): Promise<{ result: Result; ms: number }> {
    this.#pending++;
    const done = this.#tail.then(async () => {
      const began = this.#clock.now();
      try {
        const result = await work();
        return { result, ms: this.#clock.now() - began };
      } finally {
        this.#pending--;
      }
    });
    this.#tail = done.then(
      ({ ms }) => this.#rest(ms * (1 / this.dutyCycle - 1)),
      () => undefined,
    );
    return done;
  }

  #rest(ms: number): Promise<void> | undefined {
    if (ms < 0.5) return undefined;
    return new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}
