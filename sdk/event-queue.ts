/** Events pushed by callbacks, taken one by one by an async loop. Ends with an error once the pushed ones are taken. */
export class EventQueue<Event> {
  readonly #events: Event[] = [];
  #failure: { thrown: unknown } | null = null;
  #wake: () => void = () => {};

  push(event: Event): void {
    this.#events.push(event);
    this.#wake();
  }

  /** The first failure counts. */
  fail(thrown: unknown): void {
    this.#failure ??= { thrown };
    this.#wake();
  }

  async next(): Promise<Event> {
    while (this.#events.length === 0) {
      this.throwIfFailed();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#events.shift()!;
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.thrown;
  }
}
