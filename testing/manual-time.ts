/** Time that passes when a test says so. */
export class ManualTime {
  nowMs = Date.UTC(2026, 0, 1);
  #timers: { dueMs: number; run: () => void }[] = [];

  readonly clock = (): number => this.nowMs;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { dueMs: this.nowMs + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Timers that wait for their time. */
  get waiting(): number {
    return this.#timers.length;
  }

  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.nowMs);
    for (const { run } of due) run();
  }
}
