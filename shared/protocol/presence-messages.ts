/**
 * What a tab (or a Node provider, or an SDK asker) and the relay say to each other on the presence WebSocket: who is there,
 * which layers they should hold, which sessions are expected. Never a message per token (SPEC PR rules, design W1, W3, W5).
 */
import { z } from 'zod';
import { errorCodes } from './errors.ts';
import { account, layer, modelId, peerId, positiveCount, sessionId } from './ids.ts';
import { limits } from './limits.ts';
import { askSchema, networkTermsSchema, paymentSchema, receiptSchema, shareSchema } from './payment-messages.ts';

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const shortText = z.string().max(200);
const milliseconds = z.number().min(0).max(3_600_000);

export const capabilitySchema = z.strictObject({
  backend: z.enum(['webgpu', 'wasm']),
  /** e.g. "google swiftshader". */
  adapter: shortText,
  /** The adapter has `shader-f16`. */
  f16: z.boolean(),
  /** Memory pledged, bytes. */
  memoryBytes: z
    .number()
    .int()
    .min(0)
    .max(2 ** 40),
});
export type Capability = z.infer<typeof capabilitySchema>;

/** Layers [from, to) of a language model; of a graph model, the whole graph as [0, 1). */
export const shardRefSchema = z.strictObject({ model: modelId, from: layer, to: layer });
export type ShardRef = z.infer<typeof shardRefSchema>;

export const shardStateSchema = z.strictObject({
  model: modelId,
  from: layer,
  to: layer,
  phase: z.enum(['downloading', 'loading', 'checking', 'ready', 'failed']),
  /** 0…1 of the download. */
  progress: z.number().min(0).max(1),
});
export type ShardState = z.infer<typeof shardStateSchema>;

export const presenceClientSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hello'),
    version: z.number().int(),
    /** Device key, P-256, SubjectPublicKeyInfo. */
    key: base64url.max(200),
    peer: peerId,
    /** By the device key over `helloText(challenge, peer)`. */
    signature: base64url.max(200),
    /** By the key of the peer id over the same text: nobody can speak for a peer that is not theirs. */
    peerSignature: base64url.max(200),
  }),
  /** From now on this client is a provider. */
  z.strictObject({ type: z.literal('offer'), capability: capabilitySchema, ask: askSchema.optional() }),
  /** It is one no more. */
  z.strictObject({ type: z.literal('withdraw') }),
  z.strictObject({
    type: z.literal('heartbeat'),
    state: z.enum(['sharing', 'paused', 'leaving']),
    shards: z.array(shardStateSchema).max(limits.maxShardsPerProvider),
    sessions: z.number().int().min(0).max(limits.maxSessionsPerProvider),
    slots: z.number().int().min(0).max(limits.maxSessionsPerProvider),
    /** Mean of recent decode steps, milliseconds; null before the first. */
    stepMs: milliseconds.nullable(),
    /** Measured round trips to other providers, and pairs that could not connect (null). */
    links: z.array(z.tuple([peerId, milliseconds.nullable()])).max(256),
  }),
  z.strictObject({
    type: z.literal('match'),
    id: z.number().int().min(0),
    model: z.string().min(1).max(200),
    tokens: positiveCount,
    avoid: z.array(peerId).max(64).optional(),
    /** Not a new session: this one lost hops. Those of `kept` hold its KV and stay. */
    again: z
      .strictObject({
        session: sessionId,
        kept: z.array(z.strictObject({ provider: peerId, from: layer, to: layer })).max(limits.maxHops),
      })
      .optional(),
  }),
  /** A hop hands the newest voucher of an ended session to the relay, which claims it for everyone in it. */
  z.strictObject({ type: z.literal('earned'), session: sessionId, payment: paymentSchema, receipt: receiptSchema }),
  z.strictObject({ type: z.literal('release'), session: sessionId }),
  z.strictObject({ type: z.literal('watch'), on: z.boolean() }),
]);
export type PresenceClientMessage = z.infer<typeof presenceClientSchema>;

export const routeHopSchema = z.strictObject({
  provider: peerId,
  account,
  from: layer,
  to: layer,
  backend: z.enum(['webgpu', 'wasm']),
  adapter: shortText,
  /** What it asks; left out: nothing. */
  ask: askSchema.optional(),
});

export type RouteHopMessage = z.infer<typeof routeHopSchema>;

export const iceServersSchema = z
  .array(
    z.strictObject({
      urls: z.array(z.string().max(300)).max(8),
      username: shortText.optional(),
      credential: shortText.optional(),
    }),
  )
  .max(8);
/** A STUN or TURN server, as WebRTC takes it. */
export type IceServer = z.infer<typeof iceServersSchema>[number];

/** What anyone may see of the network, for the live picture. */
export const networkViewSchema = z.strictObject({
  providers: z
    .array(
      z.strictObject({
        peer: peerId,
        backend: z.enum(['webgpu', 'wasm']),
        shards: z.array(shardStateSchema).max(limits.maxShardsPerProvider),
        sessions: z.number().int(),
      }),
    )
    .max(2000),
  models: z.array(
    z.strictObject({
      id: modelId,
      name: z.string(),
      kind: z.enum(['language', 'graph']),
      layers: z.number().int(),
      ready: z.boolean(),
    }),
  ),
});
export type NetworkView = z.infer<typeof networkViewSchema>;

export const presenceRelaySchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('challenge'), version: z.number().int(), nonce: base64url.max(100) }),
  z.strictObject({
    type: z.literal('welcome'),
    account,
    /** Left out: a network without a chain. */
    terms: networkTermsSchema.optional(),
    relayPeer: peerId,
    /** Where the relay's libp2p node listens; an empty host means "the host you reached me at". */
    relayAddresses: z.array(z.string().max(300)).max(16),
    iceServers: iceServersSchema,
  }),
  /** In place of those of the welcome, whose passwords end. */
  z.strictObject({ type: z.literal('ice'), iceServers: iceServersSchema }),
  z.strictObject({ type: z.literal('assign'), shards: z.array(shardRefSchema).max(limits.maxShardsPerProvider) }),
  /** Providers that hold the layers after yours: connect to them before anyone asks. */
  z.strictObject({ type: z.literal('link'), peers: z.array(peerId).max(limits.maxNeighbours) }),
  /** A session to expect. An `open` that matches no lease is refused. */
  z.strictObject({
    type: z.literal('lease'),
    session: sessionId,
    asker: peerId,
    model: modelId,
    from: layer,
    to: layer,
    capacity: positiveCount,
    /** It takes the place of a hop that was lost: what the others know is rebuilt unpaid. */
    again: z.literal(true).optional(),
  }),
  z.strictObject({ type: z.literal('release'), session: sessionId }),
  z.strictObject({
    type: z.literal('route'),
    id: z.number().int(),
    session: sessionId,
    model: modelId,
    hops: z.array(routeHopSchema).min(1).max(limits.maxHops),
    /** Royalty receivers and the network. */
    shares: z.array(shareSchema).max(limits.maxShares).optional(),
  }),
  z.strictObject({ type: z.literal('refused'), id: z.number().int(), code: z.enum(errorCodes), message: z.string().max(1000) }),
  z.strictObject({ type: z.literal('network'), view: networkViewSchema }),
  z.strictObject({ type: z.literal('error'), code: z.enum(errorCodes), message: z.string().max(1000) }),
]);
export type PresenceRelayMessage = z.infer<typeof presenceRelaySchema>;

/** The exact text that both keys sign at hello (SPEC PR2). */
export function helloText(nonce: string, peer: string): string {
  return `vessel hello\n${nonce}\n${peer}`;
}
