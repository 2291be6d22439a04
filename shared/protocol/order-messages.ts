/**
 * What asker and hop say to each other on an order stream. One stream per asker and hop; many sessions may share it. JSON, one
 * strict schema per message (SPEC OR rules). Bytes of a service order follow their message as an attachment.
 */
import { z } from 'zod';
import { errorCodes } from './errors.ts';
import { layer, modelId, peerId, positiveCount, sessionId, tokenId } from './ids.ts';
import { limits } from './limits.ts';
import { askSchema, payFields, paymentSourceSchema, receiptFields } from './payment-messages.ts';
import { samplingSchema } from './sampling.ts';

/** Any number parses, so that another version can be refused by name. */
const version = z.number().int();
const promptIds = z.array(tokenId).min(1).max(limits.maxContext);

export const askerMessageSchema = z.discriminatedUnion('type', [
  /** Reserve KV and learn the route. Hop 1 and the last hop get the prompt; only the last one samples. */
  z.strictObject({
    type: z.literal('open'),
    version,
    session: sessionId,
    epoch: z.number().int().min(0).max(0xffff_ffff),
    model: modelId,
    from: layer,
    to: layer,
    /** This hop's index in `route`. */
    index: z
      .number()
      .int()
      .min(0)
      .max(limits.maxHops - 1),
    /** Peer ids in order. */
    route: z.array(peerId).min(1).max(limits.maxHops),
    /** Positions to hold: prompt and answer. */
    capacity: positiveCount,
    /** Left out: nothing is paid. */
    payment: z.strictObject({ source: paymentSourceSchema, ask: askSchema }).optional(),
    first: z.strictObject({ promptIds }).optional(),
    last: z
      .strictObject({
        promptIds,
        maxTokens: positiveCount,
        stopIds: z.array(tokenId).max(limits.maxStopIds),
        sampling: samplingSchema,
      })
      .optional(),
  }),
  /** Promises money for the next batch (SPEC PY rules). */
  z.strictObject(payFields),
  /** To hop 1, once every hop has opened: begin the prefill. */
  z.strictObject({ type: z.literal('start'), session: sessionId }),
  /** Free everything the session holds. Answered with `closed`. */
  z.strictObject({ type: z.literal('close'), session: sessionId }),
  /** Whole-graph services: open a session on a graph model. */
  z.strictObject({ type: z.literal('service-open'), version, session: sessionId, model: modelId }),
  /** One order; `bytes` says how long the attachment that follows is (0: none). */
  z.strictObject({
    type: z.literal('service-run'),
    session: sessionId,
    run: z.number().int().min(0).max(0xffff_ffff),
    order: z.record(z.string(), z.json()),
    bytes: z.number().int().min(0).max(limits.maxServiceBytes),
  }),
]);
export type AskerMessage = z.infer<typeof askerMessageSchema>;
export type OpenMessage = Extract<AskerMessage, { type: 'open' }>;

const logprob = z.number().max(0).nullable();

export const hopMessageSchema = z.discriminatedUnion('type', [
  /** After each batch, and before `closed`: what this hop did. Only in sessions that are paid for. */
  z.strictObject(receiptFields),
  z.strictObject({ type: z.literal('opened'), session: sessionId }),
  /** Prefill reached this position on the sending hop: the asker knows that work goes on. */
  z.strictObject({ type: z.literal('progress'), session: sessionId, position: z.number().int().min(0).max(limits.maxContext) }),
  z.strictObject({
    type: z.literal('token'),
    session: sessionId,
    index: z.number().int().min(0).max(limits.maxContext),
    id: tokenId,
    logprob,
    top: z.array(z.tuple([tokenId, z.number().max(0)])).max(limits.maxTopLogprobs),
  }),
  z.strictObject({ type: z.literal('done'), session: sessionId, reason: z.enum(['stop', 'length']) }),
  z.strictObject({
    type: z.literal('closed'),
    session: sessionId,
    /** Bytes of hidden frames this hop sent for generated tokens (prefill left out), and how many frames. */
    decodeBytes: z.number().int().min(0),
    decodeFrames: z.number().int().min(0),
    /** Milliseconds spent computing. */
    computeMs: z.number().min(0),
  }),
  z.strictObject({
    type: z.literal('service-result'),
    session: sessionId,
    run: z.number().int().min(0).max(0xffff_ffff),
    result: z.record(z.string(), z.json()),
    /** What was done, in the service type's own unit. */
    meter: z.strictObject({ unit: z.string().max(40), amount: z.number().min(0) }),
    backend: z.enum(['webgpu', 'wasm']),
  }),
  /**
   * Either the message named here was not carried out, or the session ended on this hop, and this is why. `run`: only that order
   * of a service failed, the session goes on.
   */
  z.strictObject({
    type: z.literal('refused'),
    session: sessionId,
    run: z.number().int().min(0).max(0xffff_ffff).optional(),
    code: z.enum(errorCodes),
    message: z.string().max(1000),
  }),
]);
export type HopMessage = z.infer<typeof hopMessageSchema>;
