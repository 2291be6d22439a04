/** Every number that matching assumes rather than measures, with its reason. Times in milliseconds. */
export const matchingLimits = {
  /** KV kept free on a provider for its first session: a shard without room for one usual conversation could serve nobody. */
  reservedTokens: 2048,
  /** Providers are moved for balance only when the weakest layer has less than this share of what moving could give it (Petals' rule). */
  balanceFloor: 0.75,
  /**
   * Up to this many providers every order (and every division among models) is tried; beyond, the exact rule for equal layers
   * and heuristics for unequal ones. 2^10 subsets take milliseconds.
   */
  exhaustiveProviders: 10,
  /** An unmeasured pair. Slower than most pairs of one continent (20–80), so that proven pairs win; faster than a bad proven one (Petals' value). */
  unknownRttMs: 150,
  /** A pair that failed to connect directly goes over the relay's circuit: two legs instead of one, on a capped connection. */
  circuitRttMs: 600,
  /** Encoding, slicing and two event loops per hop: an echo on loopback takes 0.7. */
  hopOverheadMs: 1,
  /** A layer on a device nobody has measured: between wasm on a small model (1) and a weak GPU on a large one (5). */
  unknownLayerMs: 3,
  /** A prompt position costs this share of a generated token: a chunk reads the weights once for all its positions. */
  promptPositionShare: 1 / 8,
  /** What a provider with rating 0 is expected to cost by failing: one replacement and its prefill. Rating 1 costs nothing. */
  failoverMs: 5000,
} as const;
