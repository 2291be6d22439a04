/**
 * Sessions the relay has announced and nobody has opened yet. An asker may be faster than the announcement, so a look-up waits a
 * little. Bounded: the oldest announcement goes when there are too many.
 */
import type { Clock } from '../shared/protocol/clock.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { Lease } from './provider-ports.ts';

const capacity = 4 * limits.maxSessionsPerProvider;

export class LeaseBook {
  readonly #clock: Clock;
  readonly #leases = new Map<string, { lease: Lease; expiresMs: number }>();
  readonly #waiting = new Map<string, Set<(lease: Lease) => boolean>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#leases.size;
  }

  announce(lease: Lease): void {
    this.#leases.delete(lease.session);
    this.#leases.set(lease.session, { lease, expiresMs: this.#clock.now() + limits.openDeadlineMs });
    if (this.#leases.size > capacity) this.#leases.delete(this.#leases.keys().next().value!);
    for (const offer of this.#waiting.get(lease.session) ?? []) if (offer(lease)) return;
  }

  /**
   * The lease of `session`, taken out of the book. Rejects with `no_lease` when none comes in `limits.leaseWaitMs`, and when
   * the one there does not fit: that one stays for whom it is meant.
   */
  take(session: string, fits: (lease: Lease) => boolean): Promise<Lease> {
    const known = this.#leases.get(session);
    if (known) {
      if (!fits(known.lease)) return Promise.reject(new VesselError('no_lease'));
      this.#leases.delete(session);
      return Promise.resolve(known.lease);
    }
    if (this.#waiting.size >= capacity) return Promise.reject(new VesselError('no_lease'));
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(session) ?? new Set();
      this.#waiting.set(session, waiters);
      const settle = () => {
        cancel();
        waiters.delete(offer);
        if (waiters.size === 0) this.#waiting.delete(session);
      };
      const offer = (lease: Lease): boolean => {
        settle();
        if (!fits(lease)) {
          reject(new VesselError('no_lease'));
          return false;
        }
        this.#leases.delete(session);
        resolve(lease);
        return true;
      };
      const cancel = this.#clock.after(limits.leaseWaitMs, () => {
        settle();
        reject(new VesselError('no_lease'));
      });
      waiters.add(offer);
    });
  }

  drop(session: string): void {
    this.#leases.delete(session);
  }

  expire(): void {
    const now = this.#clock.now();
    for (const [session, { expiresMs }] of this.#leases) if (expiresMs <= now) this.#leases.delete(session);
  }
}
