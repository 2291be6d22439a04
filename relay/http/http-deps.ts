/** What the HTTP API needs from the rest of the relay. It is composed in one place and handed to `createApp`. */
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { TextCodec } from '../../sdk/text/text-codec.ts';
import type { AskIdsFunction } from '../../shared/protocol/asking.ts';
import type { ErrorCode } from '../../shared/protocol/errors.ts';
import type { AskPayer } from '../../shared/receipts/ask-payer.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { ServiceType } from '../../shared/services/service-type.ts';
import type { PayingParty } from '../payments/payments.ts';
import type { HttpMetrics } from './http-metrics.ts';
import type { ApiKeys } from './keys/api-keys.ts';
import type { Money } from './money.ts';

export interface ModelInfo {
  /** CID of the manifest. */
  id: string;
  name: string;
  /** Unix time in seconds. */
  created: number;
  /** Longest prompt and answer together, in tokens. */
  context: number;
  /** Rows of the embedding: ids below this are valid. */
  vocab: number;
  stopIds: number[];
  ownedBy: string;
  /** Whether the tabs online hold every layer. */
  ready: boolean;
}

export interface Models {
  list(): ModelInfo[] | Promise<ModelInfo[]>;
  find(nameOrId: string): ModelInfo | undefined | Promise<ModelInfo | undefined>;
  /** @param id CID of the manifest */
  codec(id: string): Promise<TextCodec>;
}

export interface ServiceInfo {
  /** CID of the manifest. */
  id: string;
  name: string;
  /** Unix time in seconds. */
  created: number;
  ownedBy: string;
  type: ServiceType;
  /** Of the manifest, defaults filled in. */
  settings: Record<string, unknown>;
  /** Whether a provider online holds the graph. */
  ready: boolean;
}

export interface ServiceAnswer {
  result: Record<string, unknown>;
  meter: { unit: string; amount: number };
  backend: 'webgpu' | 'wasm';
}

/** A session on one provider. */
export interface OpenService {
  readonly provider: string;
  run(order: Record<string, unknown>, input: Uint8Array): Promise<ServiceAnswer>;
  /** Resolves when the provider has said its last word: then it is known what was used. */
  close(): Promise<unknown>;
}

export interface Services {
  list(): ServiceInfo[];
  /** @param id CID of the manifest */
  open(id: string, signal: AbortSignal, payer?: AskPayer): Promise<OpenService>;
}

export interface HttpSettings {
  /** Without it, requests that carry no key are served as "anonymous", limited by address. */
  requireKey: boolean;
  maxBodyBytes: number;
  /** Answers computed at once for all callers together; more wait. */
  maxConcurrent: number;
  /** Requests that may wait; more are refused with 429 `queue_full`. */
  maxQueued: number;
  /** Per key, or per address without one. A key's own limits come first. */
  requestsPerMinute: number;
  /** Requests of one key (or address) in work at once. */
  maxConcurrentPerKey: number;
  /** How long a stream may be silent before a comment line is sent, so that no proxy closes it. */
  keepAliveMs: number;
  /** Origins whose pages may call the API; `*` is any. */
  corsOrigins: '*' | string[];
  /** Take the caller's address from the last entry of X-Forwarded-For. Only behind a proxy that sets it. */
  trustProxy: boolean;
}

/** One line per finished request. There is no field that could hold a prompt or an answer. */
export interface AccessLogLine {
  requestId: string;
  method: string;
  /** The route's pattern, never the path as sent: that is the caller's text. */
  path: string;
  status: number;
  ms: number;
  keyId: string | null;
  promptTokens: number;
  completionTokens: number;
  /** How it failed, also after the status line was sent. */
  code: ErrorCode | null;
  /** Stack frames of an `internal` error, without its message (which may quote the request). */
  stack: string[];
}

export interface HttpDeps {
  askIds: AskIdsFunction;
  models: Models;
  services: Services;
  keys: ApiKeys;
  /** Unix time in milliseconds. */
  clock(): number;
  /** Calls `run` once after `ms`; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
  randomId(): string;
  /** A whole number that `sampling.seed` allows. */
  randomSeed(): number;
  randomBytes(count: number): Uint8Array;
  /** null: a network without a chain, where everything is free. */
  money: Money | null;
  metrics: HttpMetrics;
  log(line: AccessLogLine): void;
  status(): { version: string; startedMs: number; providers: number };
  settings: HttpSettings;
}

/** Whose request this is. */
export interface Caller {
  /** Key id, or the address of a caller without a key. */
  id: string;
  keyId: string | null;
  requestsPerMinute: number;
  maxConcurrent: number;
  /** Whose money answers are paid from; null without a key, and in a free network. */
  party: PayingParty | null;
}

/** What the access log and the metrics will say of a request, filled in while it runs. */
export interface RequestRecord {
  keyId: string | null;
  promptTokens: number;
  completionTokens: number;
  code: ErrorCode | null;
  stack: string[];
  /** Set by a streaming answer: resolves when the last byte was handed over or the caller left. */
  streamed: Promise<void> | null;
}

export interface HttpEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { requestId: string; record: RequestRecord; caller: Caller; wallet: Address };
}
export type HttpContext = Context<HttpEnv>;
