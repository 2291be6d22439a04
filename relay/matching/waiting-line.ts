import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';

export interface Wait<T> {
  model: string;
  /** When waiting ends with `deadline`; noticed by the next `expire`. */
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** Tries to take what is waited for; null if it is still not there. What it throws ends the wait. */
  attempt: () => T | null;
}

interface Ticket {
  deadlineMs: number;
  /** True if the wait is over. */
  tryNow: () => boolean;
  fail: (error: VesselError) => void;
}

/**
 * Asks that found no free slot, first come first served within a model. Whoever changes something (a lease freed, a shard
 * ready, a provider joined) calls `changed`; then the heads of the lines try again. A line that cannot move holds back its own
 * model only.
 */
export class WaitingLine {
  readonly #limit: number;
  readonly #lines = new Map<string, Set<Ticket>>();
  #length = 0;
  #isTrying = false;
  #hasChangedMeanwhile = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  lengthOf(model: string): number {
    return this.#lines.get(model)?.size ?? 0;
  }

  /**
   * Resolves with the first non-null attempt. An ask for which nobody waits tries at once. Rejects with VesselError `queue_full`,
   * `deadline`, `cancelled`, or what the attempt threw.
   */
  wait<T>({ model, deadlineMs, signal, attempt }: Wait<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(cancelled(signal));
      const leave = (error: VesselError | null): void => {
        signal?.removeEventListener('abort', onAbort);
        this.#remove(model, ticket);
        if (error) reject(error);
      };
      const onAbort = () => {
        leave(cancelled(signal!));
        this.changed();
      };
      const ticket: Ticket = {
        deadlineMs,
        fail: leave,
        tryNow: () => {
          try {
            const taken = attempt();
            if (taken === null) return false;
            leave(null);
            resolve(taken);
          } catch (thrown) {
            leave(toVesselError(thrown));
          }
          return true;
        },
      };
      if (this.lengthOf(model) === 0 && ticket.tryNow()) return;
      if (this.#length >= this.#limit) return leave(new VesselError('queue_full'));
      signal?.addEventListener('abort', onAbort, { once: true });
      const line = this.#lines.get(model) ?? new Set<Ticket>();
      this.#lines.set(model, line.add(ticket));
      this.#length++;
    });
  }

  /** Something may be free now. Safe to call from within an attempt: if this pass served anyone, another one follows. */
  changed(): void {
    this.#hasChangedMeanwhile = true;
    if (this.#isTrying) return;
    this.#isTrying = true;
    try {
      let served = 1;
      while (this.#hasChangedMeanwhile && served > 0) {
        this.#hasChangedMeanwhile = false;
        served = 0;
        for (const line of [...this.#lines.values()]) {
          for (const ticket of line) {
            if (!ticket.tryNow()) break;
            served++;
          }
        }
      }
    } finally {
      this.#isTrying = false;
    }
  }

  /** Ends the waits whose deadline has passed; returns how many. */
  expire(nowMs: number): number {
    const over = [...this.#lines.values()].flatMap((line) => [...line].filter((ticket) => ticket.deadlineMs <= nowMs));
    for (const ticket of over) ticket.fail(new VesselError('deadline', 'No provider became free in time. Try again later.'));
    // The next in line may be able to go where the one before could not.
    if (over.length > 0) this.changed();
    return over.length;
  }

  /** Ends every wait with this error: the relay is shutting down. */
  close(error: VesselError): void {
    for (const ticket of [...this.#lines.values()].flatMap((line) => [...line])) ticket.fail(error);
  }

  #remove(model: string, ticket: Ticket): void {
    const line = this.#lines.get(model);
    if (!line?.delete(ticket)) return;
    this.#length--;
    if (line.size === 0) this.#lines.delete(model);
  }
}

function cancelled(signal: AbortSignal): VesselError {
  return new VesselError('cancelled', undefined, { cause: signal.reason });
}
