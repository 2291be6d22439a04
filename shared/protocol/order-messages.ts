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
/** Left out: nothing is paid. */
const payment = z.strictObject({ source: paymentSourceSchema, ask: askSchema }).optional();
const promptIds = z.array(tokenId).min(1).max(limits.maxContext);
const generated = z.array(tokenId).max(limits.maxContext).optional();
const epoch = z.number().int().min(0).max(0xffff_ffff);
const position = z.number().int().min(0).max(limits.maxContext);
/** Hash of the tokens before a position (SPEC FR20). */
const history = z.string().regex(/^[0-9a-f]{16}$/);
/** Peer ids in order. */
const route = z.array(peerId).min(1).max(limits.maxHops);
/** A hop's place in `route`. */
const index = z
  .number()
  .int()
  .min(0)
  .max(limits.maxHops - 1);

export const askerMessageSchema = z.discriminatedUnion('type', [
  /** Reserve KV and learn the route. Hop 1 and the last hop get the prompt; only the last one samples. */
  z.strictObject({
    type: z.literal('open'),
    version,
    session: sessionId,
    epoch,
    model: modelId,
    from: layer,
    to: layer,
    index,
    route,
    /** Positions to hold: prompt and answer. */
    capacity: positiveCount,
    payment,
    /** This hop takes the place of another in an answer that has begun (SPEC FO rules). */
    again: z
      .strictObject({
        /** Positions whose tokens are known: the KV is rebuilt up to here. */
        known: position,
        /** Positions before this one were promised to the hop that was lost, and are not paid again. */
        paidFrom: position,
      })
      .optional(),
    /** `generated`: tokens that the answer has already. */
    first: z.strictObject({ promptIds, generated }).optional(),
    last: z
      .strictObject({
        promptIds,
        generated,
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
  /** The route has changed: stop sending, keep the KV. `truncate`: forget what lies beyond. Answered with `rerouted`. */
  z.strictObject({
    type: z.literal('reroute'),
    session: sessionId,
    epoch,
    index,
    route,
    truncate: z.strictObject({ position, history }).optional(),
  }),
  /** Every hop knows the route: send the next one what it lacks, from this position on, and go on from there. */
  z.strictObject({ type: z.literal('resume'), session: sessionId, epoch, from: position, prior: history }),
  /** The answer has come to a halt: answered with `here`. */
  z.strictObject({ type: z.literal('where'), session: sessionId }),
  /** Free everything the session holds. Answered with `closed`. */
  z.strictObject({ type: z.literal('close'), session: sessionId }),
  /** Whole-graph services: open a session on a graph model. */
  z.strictObject({ type: z.literal('service-open'), version, session: sessionId, model: modelId, payment }),
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
  /** After each batch (of a service: each order), and before `closed`: what this hop did. Only in sessions that are paid for. */
  z.strictObject(receiptFields),
  z.strictObject({ type: z.literal('opened'), session: sessionId, epoch }),
  /** This hop sends nothing any more until `resume`; positions before this one have been taken. */
  z.strictObject({ type: z.literal('rerouted'), session: sessionId, epoch, position }),
  /** How far this hop is: positions taken, and those whose rows or token it has computed. */
  z.strictObject({ type: z.literal('here'), session: sessionId, position, computed: position }),
  /** The session cannot go on in this epoch because of `peer`. It waits for `reroute` or `close`. */
  z.strictObject({
    type: z.literal('fault'),
    session: sessionId,
    epoch,
    peer: peerId,
    code: z.enum(errorCodes),
  }),
  /** Several times a second while this stream has sessions: the hop is there. */
  z.strictObject({ type: z.literal('alive') }),
  /** Prefill reached this position on the sending hop: the asker knows that work goes on. */
  z.strictObject({ type: z.literal('progress'), session: sessionId, position }),
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
