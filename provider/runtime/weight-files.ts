/**
 * Weights as the files ONNX Runtime mounts, without the files: each is a Blob whose ranges are made when they are read. JSPI
 * builds read one tensor at a time (`slice(…).stream()`), so no more than one is in JavaScript's memory; the other builds read a
 * whole file (`arrayBuffer()`).
 *
 * Real file-backed Blobs could be mounted as they are, but creating a session then never ended about once in 100 times (Chromium
 * 156, JSPI build, nothing sent to the GPU: most likely the native stream of a Blob read inside a suspended call). Through
 * `BlobReader.read` it did not happen in about 1,900 sessions.
 */
import type { LanguageManifest } from '../../shared/models/manifest.ts';
import type { ShardGraph } from '../../shared/models/onnx/build-shard-graph.ts';
import type { PlannedWeight } from '../../shared/models/onnx/weight-plan.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import type { BlobReader } from './shard-runtime.ts';
import { weightBytes } from './weight-bytes.ts';

export interface LoadProgress {
  /** Bytes of weights in the form the session holds them. */
  loadedBytes: number;
  totalBytes: number;
}

export interface WeightFilesOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export class WeightFiles {
  readonly mounted: { path: string; data: Blob }[] = [];
  /** Why a read failed: ONNX Runtime reports only that it did. */
  failure: VesselError | null = null;
  readonly #manifest: LanguageManifest;
  readonly #blobs: BlobReader;
  readonly #options: WeightFilesOptions;
  readonly #totalBytes: number;
  #loadedBytes = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(graph: ShardGraph, manifest: LanguageManifest, blobs: BlobReader, options: WeightFilesOptions) {
    this.#manifest = manifest;
    this.#blobs = blobs;
    this.#options = options;
    this.#totalBytes = graph.weights.reduce((sum, weight) => sum + weight.length, 0);
    const files = Map.groupBy(graph.weights, (weight) => weight.file);
    for (const [path, weights] of files) {
      this.mounted.push({ path, data: new WeightFile(weights, (weight) => this.#readInTurn(weight)) });
    }
  }

  /** Whole files are read side by side; their weights are made one after the other, so scratch memory does not add up. */
  #readInTurn(weight: PlannedWeight): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.#tail.then(() => this.#read(weight));
    this.#tail = bytes.catch(() => {});
    return bytes;
  }

  async #read(weight: PlannedWeight): Promise<Uint8Array<ArrayBuffer>> {
    try {
      const { signal, onProgress } = this.#options;
      if (signal?.aborted) throw new VesselError('cancelled', 'Loading the shard was cancelled.', { cause: signal.reason });
      const bytes = await weightBytes(weight, this.#manifest, this.#blobs);
      if (bytes.length !== weight.length)
        throw new VesselError('bad_blob', `${weight.name} has ${bytes.length} bytes, not ${weight.length}.`);
      this.#loadedBytes += bytes.length;
      onProgress?.({ loadedBytes: this.#loadedBytes, totalBytes: this.#totalBytes });
      return bytes;
    } catch (thrown) {
      this.failure ??= toVesselError(thrown);
      throw this.failure;
    }
  }
}

type ReadWeight = (weight: PlannedWeight) => Promise<Uint8Array<ArrayBuffer>>;

/** Only what ONNX Runtime asks of a Blob is there: `size`, `slice(…).stream()` of exactly one weight, `arrayBuffer()`. */
class WeightFile extends Blob {
  readonly #weights: PlannedWeight[];
  readonly #read: ReadWeight;

  constructor(weights: PlannedWeight[], read: ReadWeight) {
    super();
    this.#weights = weights;
    this.#read = read;
  }

  override get size(): number {
    const last = this.#weights.at(-1)!;
    return last.offset + last.length;
  }

  override slice(start = 0, end = this.size): Blob {
    const weight = this.#weights.find(({ offset, length }) => offset === start && offset + length === end);
    if (weight === undefined) throw new RangeError(`Bytes ${start} to ${end} are not one weight.`);
    return new WeightFile([{ ...weight, offset: 0 }], () => this.#read(weight));
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        controller.enqueue(new Uint8Array(await this.arrayBuffer()));
        controller.close();
      },
    });
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const [first] = this.#weights;
    if (this.#weights.length === 1 && first!.offset === 0) {
      const bytes = await this.#read(first!);
      return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
    }
    const file = allocate(this.size);
    for (const weight of this.#weights) file.set(await this.#read(weight), weight.offset);
    return file.buffer;
  }
}

function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    const size = Math.ceil(bytes / 2 ** 20);
    throw new VesselError('out_of_memory', `There is no memory for ${size} MiB of weights. Pledge fewer layers.`, { cause });
  }
}
