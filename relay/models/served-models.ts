/** The models a relay offers: the store's manifests, read again when the store changes, with what matching needs to know of them. */
import { paddedHeadDim } from '../../shared/models/architecture.ts';
import type { LanguageManifest, Manifest } from '../../shared/models/manifest.ts';
import { blobMemoryBytes } from '../../shared/models/shard-blobs.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { PlacedModel } from '../matching/model-size.ts';
import type { ModelStore } from './model-store.ts';

export interface ServedModel {
  id: string;
  manifest: Manifest;
  /** Bytes of its blobs. */
  bytes: number;
  /** Null for whole graphs. */
  placed: PlacedModel | null;
}

export class ServedModels {
  readonly #store: Pick<ModelStore, 'list'>;
  readonly #only: ReadonlySet<string> | null;
  #models = new Map<string, ServedModel>();

  /** `only`: ids to offer; null offers every model of the store. */
  constructor(store: Pick<ModelStore, 'list'>, only: ReadonlySet<string> | null = null) {
    this.#store = store;
    this.#only = only;
  }

  /** Reads the store. True when something changed. */
  async refresh(): Promise<boolean> {
    const stored = (await this.#store.list()).filter(({ id }) => !this.#only || this.#only.has(id));
    const before = [...this.#models.keys()].join();
    this.#models = new Map(
      stored.map(({ id, manifest, bytes }) => {
        const placed = manifest.kind === 'language' ? placedModel(id, manifest) : null;
        return [id, this.#models.get(id) ?? { id, manifest, bytes, placed }];
      }),
    );
    return before !== [...this.#models.keys()].join();
  }

  list(): ServedModel[] {
    return [...this.#models.values()];
  }

  get(id: string): ServedModel | undefined {
    return this.#models.get(id);
  }

  find(nameOrId: string): ServedModel | undefined {
    return this.#models.get(nameOrId) ?? this.list().find(({ manifest }) => manifest.name === nameOrId);
  }
}

function placedModel(id: string, manifest: LanguageManifest): PlacedModel {
  const { layers, kvHeads, headDim, tiedEmbedding, context } = manifest.architecture;
  return {
    id,
    layers,
    layerBytes: manifest.layers.map(blobMemoryBytes),
    embeddingBytes: blobMemoryBytes(manifest.embedding),
    headBytes: blobMemoryBytes(manifest.head),
    tiedEmbedding,
    kvBytesPerTokenPerLayer: 2 * kvHeads * paddedHeadDim(headDim) * 4,
    context: Math.min(context, limits.maxContext),
    demand: 1,
  };
}
