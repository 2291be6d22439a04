/** From an assignment to a shard that may be offered: manifest, blobs, graph, canary. The same in a tab and in Node. */
import type { BlobRef, Manifest } from '../shared/models/manifest.ts';
import { requireManifest } from '../shared/models/manifest-id.ts';
import { languageShardBlobs, languageShardBytes } from '../shared/models/shard-blobs.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { DownloadProgress, HeldShard, LoadShard } from './provider-ports.ts';
import { runCanary } from './runtime/canary.ts';
import type { OrtModule } from './runtime/ort-module.ts';
import { createOrtRuntime } from './runtime/ort-runtime.ts';
import type { Backend, BlobReader } from './runtime/shard-runtime.ts';
import { createGraphService } from './services/create-graph-service.ts';

export interface ShardSource {
  /** Bytes of a manifest; they are checked against `id` here. */
  manifest(id: string, signal: AbortSignal): Promise<Uint8Array>;
  /** Makes a blob readable from `blobs`, every byte verified. `onBytes` counts up to its length. */
  ensure(blob: BlobRef, options: { onBytes: (done: number) => void; signal: AbortSignal }): Promise<void>;
  blobs: BlobReader;
}

export function createLoadShard(source: ShardSource, ort: () => Promise<OrtModule>, backend: Backend): LoadShard {
  return async (ref, onProgress, signal): Promise<HeldShard> => {
    onProgress('downloading');
    const manifest = requireManifest(await source.manifest(ref.model, signal), ref.model);
    await download(source, neededBlobs(manifest, ref), (progress) => onProgress('downloading', progress), signal);
    onProgress('loading');
    const runtimeModule = await ort();
    if (manifest.kind === 'graph') {
      const graph = await source.blobs.read(manifest.graph.cid, 0, manifest.graph.bytes);
      const { service, settings } = manifest;
      const backends: Backend[] = backend === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm'];
      const loaded = await createGraphService({ ort: runtimeModule, service, settings, graph, backends });
      return { kind: 'graph', ref, manifest, service: loaded, bytes: manifest.graph.bytes };
    }
    const { layers, context } = manifest.architecture;
    if (ref.from >= ref.to || ref.to > layers) throw new VesselError('bad_request', `This model has layers 0 to ${layers}.`);
    const runtime = await createOrtRuntime({
      ort: runtimeModule,
      backend,
      shard: { manifest, from: ref.from, to: ref.to },
      blobs: source.blobs,
      context: Math.min(context, limits.maxContext),
      signal,
    });
    try {
      onProgress('checking');
      const { stepMs, runtime: sound } = await runCanary(runtime);
      signal.throwIfAborted();
      return { kind: 'language', ref, manifest, runtime: sound, bytes: languageShardBytes(manifest, ref), stepMs };
    } catch (thrown) {
      await runtime.dispose();
      throw thrown;
    }
  };
}

function neededBlobs(manifest: Manifest, ref: { from: number; to: number }): BlobRef[] {
  return manifest.kind === 'graph' ? [manifest.graph] : languageShardBlobs(manifest, ref);
}

async function download(
  source: ShardSource,
  blobs: BlobRef[],
  onProgress: (progress: DownloadProgress) => void,
  signal: AbortSignal,
): Promise<void> {
  const total = blobs.reduce((sum, blob) => sum + blob.bytes, 0);
  let before = 0;
  for (const blob of blobs) {
    signal.throwIfAborted();
    await source.ensure(blob, { onBytes: (done) => onProgress({ bytes: before + done, total }), signal });
    before += blob.bytes;
    onProgress({ bytes: before, total });
  }
}
