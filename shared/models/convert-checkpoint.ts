/**
 * A Hugging Face checkpoint becomes content-addressed blobs and a manifest. First everything is inspected, then the weights are
 * converted one blob at a time: at most one layer (or the embedding, or the head) is in memory. The manifest is returned at the end
 * and nothing refers to a blob before, so a checkpoint that turns out to be damaged midway has published nothing.
 */
import type { BlobLayout } from './blob-layout.ts';
import type { BlobSink, CheckpointSource } from './checkpoint-source.ts';
import { inspectCheckpoint } from './inspect-checkpoint.ts';
import { type LanguageManifest, languageManifestSchema, type ModelDtype, manifestFormat, type WeightBlob } from './manifest.ts';
import { manifestId } from './manifest-id.ts';
import { writeWeight } from './write-weight.ts';

export interface ConvertOptions {
  /** Name people will use. */
  name: string;
  dtype: ModelDtype;
  /** Where the checkpoint came from, for people: a hub id with revision, a folder's name. */
  origin: string;
  /** Hears how many bytes of weights were read, of how many. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

export interface ConvertedModel {
  manifest: LanguageManifest;
  /** The manifest's content id. */
  id: string;
}

/** Throws `bad_checkpoint` with the reason; before anything is stored, unless the weights themselves are damaged. */
export async function convertCheckpoint(
  source: CheckpointSource,
  options: ConvertOptions,
  sink: BlobSink,
): Promise<ConvertedModel> {
  const { name, dtype, origin, onProgress, signal } = options;
  signal?.throwIfAborted();
  const plan = await inspectCheckpoint(source, { dtype });
  let doneBytes = 0;
  onProgress?.(0, plan.sourceBytes);

  const convert = async (layout: BlobLayout): Promise<WeightBlob> => {
    const blob = new Uint8Array(layout.bytes);
    for (const placed of layout.weights) {
      await writeWeight(source, plan.tensors.get(placed.spec.from)!, placed, blob, (bytes) => {
        signal?.throwIfAborted();
        doneBytes += bytes;
        onProgress?.(doneBytes, plan.sourceBytes);
      });
    }
    return { ...(await sink.put(blob)), tensors: layout.tensors };
  };

  const embedding = await convert(plan.embedding);
  const layers: WeightBlob[] = [];
  for (const layout of plan.layers) layers.push(await convert(layout));
  const head = await convert(plan.head);
  signal?.throwIfAborted();
  const tokenizer = await sink.put(new TextEncoder().encode(JSON.stringify(plan.tokenizer)));

  const manifest = languageManifestSchema.parse({
    format: manifestFormat,
    kind: 'language',
    name,
    dtype,
    architecture: plan.architecture,
    stopIds: plan.stopIds,
    embedding,
    layers,
    head,
    tokenizer,
    source: origin,
  });
  return { manifest, id: manifestId(manifest) };
}
