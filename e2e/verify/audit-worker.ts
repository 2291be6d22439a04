/// <reference lib="webworker" />
/** The auditor's side of a re-run inside a browser's worker: one shard at a time, given rows in, its own rows out. */
import { runCanary } from '../../provider/runtime/canary.ts';
import { loadOrt } from '../../provider/runtime/load-ort.ts';
import type { OrtModule } from '../../provider/runtime/ort-module.ts';
import { createOrtRuntime } from '../../provider/runtime/ort-runtime.ts';
import type { Backend, ShardRuntime } from '../../provider/runtime/shard-runtime.ts';
import type { LanguageManifest } from '../../shared/models/manifest.ts';
import { toVesselError } from '../../shared/protocol/errors.ts';
import { HttpBlobs } from '../webgpu/http-blobs.ts';

export interface LoadRequest {
  kind: 'load';
  backend: Backend;
  manifest: LanguageManifest;
  from: number;
  to: number;
  context: number;
}
export interface LoadReply {
  adapter: string;
  arithmetic: string;
}
export interface RerunRequest {
  kind: 'rerun';
  /** Base64 of i32 ids (first shard) or f32 rows. */
  input: string;
  /** Positions of each step. */
  steps: number[];
}
/** Base64 of f32: all rows, or on the last shard the logits of each step. */
export type RerunReply = string;
export type AuditRequest = LoadRequest | RerunRequest;

const blobs = new HttpBlobs();
const builds = new Map<Backend, Promise<OrtModule>>();
let loaded: ShardRuntime | null = null;

async function load({ backend, manifest, from, to, context }: LoadRequest): Promise<LoadReply> {
  let ort = builds.get(backend);
  if (!ort) {
    ort = loadOrt(backend, { wasmPaths: `${self.location.origin}/ort/` });
    builds.set(backend, ort);
  }
  const shard = { manifest, from, to };
  const runtime = await createOrtRuntime({ ort: await ort, backend, shard, blobs, context });
  // As a provider does before it offers a shard.
  const next = (await runCanary(runtime)).runtime;
  // Kept until here: compiled shaders die with the last session.
  await loaded?.dispose();
  loaded = next;
  return { adapter: next.adapter, arithmetic: next.arithmetic };
}

async function rerun({ input, steps }: RerunRequest): Promise<RerunReply> {
  const runtime = loaded!;
  const { hidden } = runtime.shard.manifest.architecture;
  const bytes = Uint8Array.from(atob(input), (character) => character.charCodeAt(0));
  const isFirst = runtime.shard.from === 0;
  const cache = runtime.createCache(steps.reduce((sum, count) => sum + count, 0));
  const outputs: Float32Array[] = [];
  let at = 0;
  for (const count of steps) {
    const step = isFirst
      ? ({ kind: 'tokens', ids: new Int32Array(bytes.buffer, 4 * at, count) } as const)
      : ({ kind: 'hidden', values: new Float32Array(bytes.buffer, 4 * at * hidden, count * hidden) } as const);
    outputs.push((await runtime.step(cache, step)).values);
    at += count;
  }
  cache.release();
  return toBase64(new Uint8Array(await new Blob(outputs as BlobPart[]).arrayBuffer()));
}

/** By pieces: a call takes some ten thousand arguments at most. */
function toBase64(bytes: Uint8Array): string {
  let characters = '';
  for (let at = 0; at < bytes.length; at += 8192) characters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(characters);
}

self.onmessage = async (event: MessageEvent<AuditRequest>) => {
  console.log(event.data.kind);
  try {
    self.postMessage({ ok: await (event.data.kind === 'load' ? load(event.data) : rerun(event.data)) });
  } catch (thrown) {
    const error = toVesselError(thrown);
    self.postMessage({ error: { code: error.code, message: `${error.code}: ${error.message}` } });
  }
};
