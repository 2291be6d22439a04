/**
 * How many answers are computed at once. A request takes as many places as it asks for answers, waits in a bounded line when
 * there are none, and is refused when the line is full or its caller has too much in work already.
 */
import { VesselError } from '../../../shared/protocol/errors.ts';
import { RequestError } from '../request-error.ts';

export interface WorkGateOptions {
  maxConcurrent: number;
  maxQueued: number;
  /** Told on every change: places taken, requests waiting. */
  onChange: (active: number, queued: number) => void;
}

interface Waiting {
  places: number;
  enter: () => void;
}

/** What a full line asks callers to wait. The relay cannot know when an answer ends; clients add their own growing pauses. */
const retryAfterSeconds = 2;

export class WorkGate {
  readonly #options: WorkGateOptions;
  readonly #line: Waiting[] = [];
  readonly #callers = new Map<string, number>();
  #active = 0;

  constructor(options: WorkGateOptions) {
    this.#options = options;
  }

  /**
   * Waits for a turn and returns the function that gives the places back.
   * @throws RequestError `queue_full` or `rate_limited` at once; VesselError `cancelled` when the signal fires while waiting
   */
  async enter(caller: { id: string; maxConcurrent: number }, places: number, signal: AbortSignal): Promise<() => void> {
    const mine = this.#callers.get(caller.id) ?? 0;
    if (mine >= caller.maxConcurrent) {
      throw new RequestError('rate_limited', `At most ${caller.maxConcurrent} requests at once: wait for one to end.`, {
        retryAfterSeconds,
      });
    }
    // A request larger than the whole gate still gets its turn, alone.
    const taken = Math.min(places, this.#options.maxConcurrent);
    const mustWait = this.#line.length > 0 || this.#active + taken > this.#options.maxConcurrent;
    if (mustWait && this.#line.length >= this.#options.maxQueued) {
      throw new RequestError('queue_full', 'The relay has all the work it can take: try again shortly.', { retryAfterSeconds });
    }
    this.#callers.set(caller.id, mine + 1);
    try {
      if (mustWait) await this.#wait(taken, signal);
      else this.#active += taken;
    } catch (error) {
      this.#leaveCaller(caller.id);
      throw error;
    }
    this.#tell();
    return this.#onceLeaving(caller.id, taken);
  }

  #onceLeaving(callerId: string, places: number): () => void {
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#active -= places;
      this.#leaveCaller(callerId);
      this.#admit();
    };
  }

  #wait(places: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        reject(new VesselError('cancelled'));
        // The one that left may have been too large for the free places that the next one fits.
        this.#admit();
      };
      const waiting: Waiting = {
        places,
        enter: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      if (signal.aborted) {
        reject(new VesselError('cancelled'));
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#line.push(waiting);
      this.#tell();
    });
  }

  #admit(): void {
    for (let next = this.#line[0]; next && this.#active + next.places <= this.#options.maxConcurrent; next = this.#line[0]) {
      this.#line.shift();
      this.#active += next.places;
      next.enter();
    }
    this.#tell();
  }

  #leaveCaller(id: string): void {
    const left = (this.#callers.get(id) ?? 1) - 1;
    if (left > 0) this.#callers.set(id, left);
    else this.#callers.delete(id);
  }

  #tell(): void {
    this.#options.onChange(this.#active, this.#line.length);
  }
}
