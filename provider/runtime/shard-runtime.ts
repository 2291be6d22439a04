/**
 * What the provider needs from whatever computes a shard. One implementation on ONNX Runtime Web (WebGPU and wasm), one fake
 * in `testing/`. Calls are serialized by the caller: one runtime, one step at a time.
 */
import type { LanguageManifest } from '../../shared/models/manifest.ts';

export type Backend = 'webgpu' | 'wasm';

/** Where a runtime reads blob bytes from: OPFS in a tab, the model store's folder in Node. Bytes are already verified. */
export interface BlobReader {
  /** A copy of `length` bytes at `offset`. */
  read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The whole blob as a file-backed Blob, if the place has such a thing: it is then never copied into JavaScript. */
  blob(cid: string): Promise<Blob | null>;
}

/** Layers [from, to) of a model. `from === 0` owns the embedding; `to === layers` owns final norm and head. */
export interface ShardSpec {
  manifest: LanguageManifest;
  from: number;
  to: number;
}

export type StepInput =
  | { kind: 'tokens'; ids: Int32Array }
  /** Row-major [count, hidden]. */
  | { kind: 'hidden'; values: Float32Array };

export type StepResult =
  /** Row-major [count, hidden]. */
  | { kind: 'hidden'; values: Float32Array }
  /** [vocab], of the last position of the step. */
  | { kind: 'logits'; values: Float32Array };

/** KV state of one session on one shard. */
export interface KvCache {
  /** Positions it can hold. */
  readonly capacity: number;
  /** Positions it holds. */
  readonly length: number;
  readonly bytes: number;
  /** Forget every position from `length` on. */
  truncate(length: number): void;
  release(): void;
}

export interface ShardRuntime {
  readonly shard: ShardSpec;
  readonly backend: Backend;
  /** e.g. "google swiftshader", "wasm 1 thread". */
  readonly adapter: string;
  /** Arithmetic really used: `f16` only where the device has it. */
  readonly arithmetic: 'f32' | 'f16';
  /** Longest capacity any cache of it may have, in positions. */
  readonly context: number;
  /** Bytes of KV a cache of this capacity takes. */
  cacheBytes(capacity: number): number;
  createCache(capacity: number): KvCache;
  /** Appends `input` at `cache.length`. Throws VesselError `context_exceeded` if it does not fit, `bad_output` on NaN or all zeros. */
  step(cache: KvCache, input: StepInput): Promise<StepResult>;
  dispose(): Promise<void>;
}
