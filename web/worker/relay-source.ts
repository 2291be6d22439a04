import type { ShardSource } from '../../provider/load-shard.ts';
import { readBytes } from '../../shared/models/read-bytes.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { BlobCache } from './models/blob-cache.ts';

/** Manifests from the relay (checked by their id), blobs through the cache (checked leaf by leaf). */
export function relaySource(cache: BlobCache, relayUrl: string): ShardSource {
  return {
    async manifest(id, signal) {
      const response = await fetch(new URL(`/manifests/${id}`, relayUrl), { signal });
      if (!response.ok) throw new VesselError('model_not_found', 'The relay does not have this model any more.');
      return readBytes(response, limits.maxManifestBytes);
    },
    ensure: (blob, { onBytes, signal }) =>
      cache.ensure(blob, { baseUrl: relayUrl, signal, onProgress: ({ bytes }) => onBytes(bytes) }),
    blobs: cache,
  };
}
