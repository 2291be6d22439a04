/** Every number that bounds the protocol, with the reason it is that number. Sizes in bytes, times in milliseconds. */
export const limits = {
  /** Chrome's SCTP sends bursts of 4 packets of about 1.2 kB: a larger single send waits for a round trip (facts: 14 kB = 5 RTT). */
  maxSliceBytes: 4400,
  /** A prefill chunk of 64 positions at hidden 16,384 in f32 is 4 MiB; nothing legitimate is larger. */
  maxFrameBytes: 4 * 1024 * 1024 + 4096,
  /** Orders and control messages are JSON; a prompt of 128k ids of 7 digits is 1 MiB. */
  maxMessageBytes: 2 * 1024 * 1024,
  /** A manifest names a hash of 64 digits per MiB of weights: those of 250 GB are 17 MB. */
  maxManifestBytes: 32 * 1024 * 1024,
  /** Largest hidden size of any supported model. */
  maxHidden: 16_384,
  /** Positions per prefill frame: long enough to use the GPU, short enough to stay under Windows' 2 s watchdog and to fill the pipeline. */
  prefillChunk: 64,
  /** Positions after the prompt that are committed to, signed and paid together (design P1). */
  outputBatch: 32,
  /** Royalty receivers and the network together: an asset has at most 16 parents, and they have parents. */
  maxShares: 32,
  /** After its last receipt a hop waits this long for the asker to settle: one round trip, and a slow one. */
  settleWaitMs: 3_000,
  /** A hop that waits for money ends the session after this: a payment is one message away. */
  payWaitMs: 10_000,
  /** New positions are promised once no more than this many are covered ahead: a promise needs a round trip, which is rarely 8 tokens long. */
  outputRefill: 8,
  /** What a hop has read from the chain counts for this long: a block or two, and far less than an authorization's claim window. */
  coverageCacheMs: 10_000,
  /** A payroll credit may be for this many epochs after the root that counts: one pending, one being filled, one in between. */
  maxCreditEpochs: 3,
  /** Hops in a route: one layer per tab of the deepest supported model. */
  maxHops: 128,
  /** Tokens of prompt and answer together that a session may ever reserve KV for: rotary tables of this length take 16 MiB. */
  maxContext: 32_768,
  /** Presence heartbeat. Silence is noticed after three (design W3: own heartbeats of a second or less). */
  heartbeatMs: 1000,
  heartbeatMissesAllowed: 3,
  /** A hop with sessions says this often that it is there; design W3 asks for a second or less. */
  aliveMs: 250,
  /** A hop that is silent for this long is lost: three signs of life, and the delay of a fourth. A slow one is given more (sdk/hop-pulse.ts). */
  silentMs: 900,
  /** …but never more than this: a loss is noticed in under two seconds. */
  maxSilentMs: 1750,
  /** No token and no progress for this long, while every hop says that it is there: the asker looks where the answer is stuck. */
  stalledMs: 1500,
  /** A hop has this long to answer a `reroute`: the step it is in, on a slow device. */
  rerouteMs: 5_000,
  /** The hop that takes another's place, on a way that may have to be dialled first. */
  openAgainMs: 10_000,
  /** A device that computes one step for this long is taken for lost: SwiftShader needs 4 s to compile a new shape. */
  stuckMs: 20_000,
  /** An answer that lost a hop waits this long for another one, if the asker does not say. */
  recoverMs: 30_000,
  /** One answer loses hops this often without a new token in between, then it ends. */
  maxFruitlessFailovers: 6,
  /** One answer loses hops this often at most. */
  maxFailovers: 64,
  /** A session nobody has touched for this long is freed on every hop. Longer than any single prefill on a slow device. */
  sessionLeaseMs: 60_000,
  /** How long a hop waits for the relay's lease when an asker's `open` overtakes it. */
  leaseWaitMs: 3000,
  /** One order of a service, before its asker gives up. SwiftShader needs 4 s to compile a new shape. */
  stepDeadlineMs: 60_000,
  /** Opening a session on all hops, dialling included: three tries of 8 s on a slow machine. */
  openDeadlineMs: 30_000,
  /** Links a provider keeps ready to holders of the layers after its own. A browser tab may open 500 connections in its life. */
  maxNeighbours: 4,
  /** One language shard and a handful of whole-graph models. */
  maxShardsPerProvider: 16,
  /** Sessions one provider keeps at once; memory usually ends it earlier. */
  maxSessionsPerProvider: 64,
  /** Sessions one asker may have open at one provider. */
  maxSessionsPerAsker: 32,
  maxChoices: 8,
  maxTopLogprobs: 20,
  maxTopK: 1000,
  maxLogitBias: 300,
  maxStopStrings: 4,
  maxStopStringLength: 256,
  maxStopIds: 64,
  /** A result or an input of a whole-graph service. One megapixel of RGB as bytes is 3 MiB. */
  maxServiceBytes: 16 * 1024 * 1024,
} as const;
