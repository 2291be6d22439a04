/** A rate limit per caller: an allowance that refills evenly, up to one minute's worth. */
interface Bucket {
  tokens: number;
  updatedMs: number;
  perMinute: number;
}

export class TokenBuckets {
  readonly #clock: () => number;
  readonly #maxRemembered: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor({ clock, maxRemembered }: { clock: () => number; maxRemembered: number }) {
    this.#clock = clock;
    this.#maxRemembered = maxRemembered;
  }

  /** Takes one request from the caller's allowance. Returns 0, or the seconds after which it is worth asking again. */
  take(id: string, perMinute: number): number {
    const nowMs = this.#clock();
    const bucket = this.#buckets.get(id) ?? { tokens: perMinute, updatedMs: nowMs, perMinute };
    bucket.perMinute = perMinute;
    refill(bucket, nowMs);
    // Re-inserted, so that the map stays ordered by last use.
    this.#buckets.delete(id);
    this.#buckets.set(id, bucket);
    if (this.#buckets.size > this.#maxRemembered) this.#forget(nowMs);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - bucket.tokens) * 60) / perMinute));
  }

  /** A full bucket says nothing that a new one would not; if that does not suffice, whoever was quiet longest goes. */
  #forget(nowMs: number): void {
    for (const [id, bucket] of this.#buckets) {
      refill(bucket, nowMs);
      if (bucket.tokens >= bucket.perMinute) this.#buckets.delete(id);
    }
    for (const id of this.#buckets.keys()) {
      if (this.#buckets.size <= this.#maxRemembered) return;
      this.#buckets.delete(id);
    }
  }
}

function refill(bucket: Bucket, nowMs: number): void {
  // A clock that is set back must not take anything away.
  const elapsedMs = Math.max(0, nowMs - bucket.updatedMs);
  bucket.tokens = Math.min(bucket.perMinute, bucket.tokens + (elapsedMs * bucket.perMinute) / 60_000);
  bucket.updatedMs = nowMs;
}
