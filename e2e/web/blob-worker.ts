/** Runs in the tab under test: a blob cache driven by messages, so that a test can call it like a function. */
import type { BlobRef } from '../../shared/models/manifest.ts';
import { toVesselError } from '../../shared/protocol/errors.ts';
import { BlobCache, openBlobCache } from '../../web/worker/models/blob-cache.ts';
import { MemoryBlobStorage } from '../../web/worker/models/blob-storage.ts';

export type BlobCall =
  | { call: 'open'; storage: 'best' | 'memory' }
  | { call: 'ensure'; ref: BlobRef; abortAfterBytes?: number }
  | { call: 'read'; cid: string; offset: number; length: number }
  | { call: 'blob' | 'digest'; cid: string }
  | { call: 'list' | 'usage' }
  | { call: 'remove'; cid: string };

let cache: BlobCache | null = null;

async function run(message: BlobCall): Promise<unknown> {
  if (message.call === 'open') {
    cache = message.storage === 'best' ? await openBlobCache() : memoryCache();
    return cache.storageKind;
  }
  if (cache === null) throw new Error('open the cache first');
  switch (message.call) {
    case 'ensure': {
      const progress: number[] = [];
      const abort = new AbortController();
      await cache.ensure(message.ref, {
        baseUrl: self.location.origin,
        signal: abort.signal,
        onProgress: ({ bytes }) => {
          progress.push(bytes);
          if (message.abortAfterBytes !== undefined && bytes >= message.abortAfterBytes) abort.abort();
        },
      });
      return progress;
    }
    case 'read':
      return Array.from(await cache.read(message.cid, message.offset, message.length));
    case 'blob': {
      const blob = await cache.blob(message.cid);
      return blob === null ? null : { bytes: blob.size, isFile: blob instanceof File };
    }
    case 'digest': {
      const blob = await cache.blob(message.cid);
      if (blob === null) return null;
      return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())));
    }
    case 'list':
      return cache.list();
    case 'usage':
      return cache.usage();
    case 'remove':
      return cache.remove(message.cid);
    default:
      return message satisfies never;
  }
}

function memoryCache(): BlobCache {
  return new BlobCache({
    storage: new MemoryBlobStorage(),
    fetch: (input, init) => fetch(input, init),
    locks: navigator.locks,
    estimate: () => navigator.storage.estimate(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
}

self.onmessage = async (event: MessageEvent<{ id: number; message: BlobCall }>) => {
  const { id, message } = event.data;
  try {
    self.postMessage({ id, result: await run(message) });
  } catch (error) {
    const name = error instanceof Error ? error.name : 'unknown';
    const { code, message: text } = toVesselError(error);
    self.postMessage({ id, error: { name, code, message: text } });
  }
};
