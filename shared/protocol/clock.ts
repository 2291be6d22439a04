/** Time, passed in so that tests and the simulation own it. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
  /** Calls `action` once after `ms`; the returned function takes that back. */
  after(ms: number, action: () => void): () => void;
}
