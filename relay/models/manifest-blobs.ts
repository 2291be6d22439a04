import type { BlobRef, Manifest } from '../../shared/models/manifest.ts';

/** Every blob a model needs, in the order of its layers. */
export function manifestBlobs(manifest: Manifest): BlobRef[] {
  switch (manifest.kind) {
    case 'language':
      return [manifest.embedding, ...manifest.layers, manifest.head, manifest.tokenizer];
    case 'graph':
      return [manifest.graph];
  }
  return manifest satisfies never;
}
