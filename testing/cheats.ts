/**
 * Ways to lie about a shard's work, carried out with the real runtime on real weights: given the inputs that an honest hop had, the rows that the
 * cheat puts out. Everything else of the session is as honest hops did it, so an audit sees this hop's cheat and nothing else.
 */
import type { ShardRuntime, StepInput } from '../provider/runtime/shard-runtime.ts';
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';
import { bf16Bits, f16Bits, f16Value } from '../shared/models/float16.ts';
import type { LanguageManifest } from '../shared/models/manifest.ts';
import { readSafetensorsHeader } from '../shared/models/safetensors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { convertModel, type SessionRecord, type Subject, wasmShard } from './audit-subjects.ts';
import { type RandomNumbers, randomNumbers } from './random-numbers.ts';

export const rowCheats = [
  'weights int8',
  'weights int4',
  'f16 arithmetic',
  '1 % weight noise',
  'skipped layer',
  'another model',
  'stale KV',
  'copied result',
  'truncated context',
  'constant output',
] as const;
export type RowCheat = (typeof rowCheats)[number];

/** Positions that a hop with truncated context remembers at least, and at most twice as many. */
const truncatedTo = 32;

/** A shard of a subject with everything that cheats need, loaded as they ask for it. */
export class CheatingHop {
  readonly #subject: Subject;
  readonly #hop: number;
  readonly #from: number;
  readonly #to: number;
  readonly #runtimes = new Map<string, Promise<ShardRuntime | null>>();

  constructor(subject: Subject, hop: number) {
    this.#subject = subject;
    this.#hop = hop;
    this.#from = subject.cuts[hop]!;
    this.#to = subject.cuts[hop + 1]!;
  }

  /**
   * What the hop puts out in place of its honest rows, row-major; null where the cheat is none on this shard: skipping the only layer of the
   * first shard leaves no graph, and a layer that looks back 8 positions anyway has no context to truncate.
   * @param other another session of the same subject
   */
  async rows(cheat: RowCheat, session: SessionRecord, other: SessionRecord): Promise<Float32Array | null> {
    const width = this.#subject.manifest.architecture.hidden;
    const honest = session.boundaries[this.#hop]!;
    const input = inputOf(session, this.#hop);
    const positions = honest.length / width;
    if (cheat === 'copied result') return copied(honest, other.boundaries[this.#hop]!);
    if (cheat === 'constant output') return constant(honest, width, session.promptLength);
    if (cheat === 'skipped layer') {
      if (this.#to - this.#from === 1) return this.#hop === 0 ? null : session.boundaries[this.#hop - 1]!.slice();
      const runtime = await this.#load('shorter', () => this.#shard(this.#subject.manifest, this.#from, this.#to - 1));
      return runRows(runtime!, input, width, 0, positions);
    }
    if (cheat === 'stale KV' || cheat === 'truncated context') {
      if (this.#isWindowed()) return null;
      if (cheat === 'truncated context' && positions <= 2 * truncatedTo) return null;
      const runtime = (await this.#load('honest', () => this.#shard(this.#subject.manifest)))!;
      return cheat === 'stale KV' ? stale(runtime, session, other, this.#hop, width) : truncated(runtime, input, honest, width);
    }
    const runtime = await this.#load(cheat, () => this.#cheating(cheat));
    return runRows(runtime!, input, width, 0, positions);
  }

  /**
   * Of the last shard, logits per draw in place of the honest ones; null where the cheat is none, or not told apart from another one there.
   */
  async logits(cheat: RowCheat, session: SessionRecord, other: SessionRecord): Promise<Float32Array[] | null> {
    const honest = session.logits;
    if (cheat === 'copied result') return honest.map((_, draw) => other.logits[draw % other.logits.length]!);
    if (cheat === 'constant output') return honest.map(() => honest[0]!);
    if (cheat === 'stale KV' || cheat === 'truncated context') return null;
    if (cheat === 'skipped layer' && this.#to - this.#from === 1) return null;
    const runtime =
      cheat === 'skipped layer'
        ? await this.#load('shorter', () => this.#shard(this.#subject.manifest, this.#from + 1, this.#to))
        : await this.#load(cheat, () => this.#cheating(cheat));
    return runLogits(runtime!, inputOf(session, this.#hop), this.#subject.manifest.architecture.hidden, session);
  }

  /** Every layer of the shard sees a short window. */
  #isWindowed(): boolean {
    const { attention } = this.#subject.manifest.architecture;
    return attention.slice(this.#from, this.#to).every(({ window }) => window !== null && window < truncatedTo);
  }

  async #cheating(
    cheat: Exclude<RowCheat, 'stale KV' | 'copied result' | 'truncated context' | 'constant output' | 'skipped layer'>,
  ) {
    const { model, blobs, manifest } = this.#subject;
    if (cheat === 'f16 arithmetic') return this.#shard(manifest, this.#from, this.#to, 'f16');
    if (cheat === 'weights int8') return this.#shard(await convertModel(model, 'q8', blobs));
    if (cheat === 'weights int4') return this.#shard(await convertModel(model, 'q4', blobs));
    if (cheat === '1 % weight noise') {
      const source = await noisyCheckpoint(model.source, 0.01, randomNumbers(77));
      return this.#shard(await convertModel({ ...model, source }, manifest.dtype, blobs));
    }
    // The same shape and the same care in training, other weights: each layer in its neighbour's place.
    return this.#shard({ ...manifest, layers: [...manifest.layers.slice(1), manifest.layers[0]!] });
  }

  #shard(manifest: LanguageManifest, from = this.#from, to = this.#to, arithmetic: 'f32' | 'f16' = 'f32'): Promise<ShardRuntime> {
    return wasmShard(this.#subject, { manifest, from, to }, arithmetic);
  }

  #load(name: string, load: () => Promise<ShardRuntime | null>): Promise<ShardRuntime | null> {
    let runtime = this.#runtimes.get(name);
    if (!runtime) {
      runtime = load();
      this.#runtimes.set(name, runtime);
    }
    return runtime;
  }

  async dispose(): Promise<void> {
    for (const runtime of this.#runtimes.values()) await (await runtime)?.dispose();
    this.#runtimes.clear();
  }
}

export function inputOf(session: SessionRecord, hop: number): Int32Array | Float32Array {
  return hop === 0 ? Int32Array.from(session.ids.slice(0, -1)) : session.boundaries[hop - 1]!;
}

/** Rows of positions [from, to) of `input`, by chunks from an empty cache. */
export async function runRows(
  runtime: ShardRuntime,
  input: Int32Array | Float32Array,
  width: number,
  from: number,
  to: number,
): Promise<Float32Array> {
  const cache = runtime.createCache(to - from);
  const rows = new Float32Array((to - from) * width);
  for (let at = from; at < to; at += limits.prefillChunk) {
    const end = Math.min(at + limits.prefillChunk, to);
    rows.set((await runtime.step(cache, stepInput(input, width, at, end))).values, (at - from) * width);
  }
  cache.release();
  return rows;
}

/** Logits of every draw: the prompt by chunks, then position by position. */
export async function runLogits(
  runtime: ShardRuntime,
  input: Int32Array | Float32Array,
  width: number,
  { ids, promptLength }: Pick<SessionRecord, 'ids' | 'promptLength'>,
): Promise<Float32Array[]> {
  const positions = ids.length - 1;
  const cache = runtime.createCache(positions);
  const logits: Float32Array[] = [];
  for (let at = 0; at < positions; ) {
    const end = at < promptLength ? Math.min(at + limits.prefillChunk, promptLength) : at + 1;
    const { values } = await runtime.step(cache, stepInput(input, width, at, end));
    at = end;
    if (at >= promptLength) logits.push(Float32Array.from(values));
  }
  cache.release();
  return logits;
}

function stepInput(input: Int32Array | Float32Array, width: number, from: number, to: number): StepInput {
  return input instanceof Int32Array
    ? { kind: 'tokens', ids: input.slice(from, to) }
    : { kind: 'hidden', values: input.slice(from * width, to * width) };
}

/** Another session's rows in place of these. */
function copied(honest: Float32Array, other: Float32Array): Float32Array {
  return honest.map((_, index) => other[index % other.length]!);
}

/** After the prompt, its last row over and over. */
function constant(honest: Float32Array, width: number, promptLength: number): Float32Array {
  const rows = honest.slice();
  const last = honest.slice((promptLength - 1) * width, promptLength * width);
  for (let at = promptLength * width; at < rows.length; at += width) rows.set(last, at);
  return rows;
}

/** The first half of the prompt is another session's in the cache. */
async function stale(
  runtime: ShardRuntime,
  session: SessionRecord,
  other: SessionRecord,
  hop: number,
  width: number,
): Promise<Float32Array> {
  const honest = session.boundaries[hop]!;
  const positions = honest.length / width;
  const kept = Math.min(Math.floor(session.promptLength / 2), other.ids.length - 1);
  const cache = runtime.createCache(positions);
  await runtime.step(cache, stepInput(inputOf(other, hop), width, 0, kept));
  const rows = honest.slice();
  for (let at = kept; at < positions; at += limits.prefillChunk) {
    const end = Math.min(at + limits.prefillChunk, positions);
    rows.set((await runtime.step(cache, stepInput(inputOf(session, hop), width, at, end))).values, at * width);
  }
  cache.release();
  return rows;
}

/** Each stretch of 32 positions is computed with the 32 before it and no others. */
async function truncated(
  runtime: ShardRuntime,
  input: Int32Array | Float32Array,
  honest: Float32Array,
  width: number,
): Promise<Float32Array> {
  const positions = honest.length / width;
  const rows = honest.slice();
  for (let at = 2 * truncatedTo; at < positions; at += truncatedTo) {
    const end = Math.min(at + truncatedTo, positions);
    const window = await runRows(runtime, input, width, at - truncatedTo, end);
    rows.set(window.subarray(truncatedTo * width), at * width);
  }
  return rows;
}

/** Every matrix with noise of `share` of its root mean square. */
async function noisyCheckpoint(source: CheckpointSource, share: number, random: RandomNumbers): Promise<CheckpointSource> {
  const changed = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const file of await source.files()) {
    if (!file.endsWith('.safetensors')) continue;
    const bytes = await source.read(file, 0, await source.size(file));
    for (const { dtype, shape, offset, length } of (await readSafetensorsHeader(source, file)).values()) {
      if (shape.length === 2) addNoise(bytes.subarray(offset, offset + length), dtype, share, random);
    }
    changed.set(file, bytes);
  }
  return {
    files: () => source.files(),
    size: (file) => source.size(file),
    read: async (file, offset, length) => changed.get(file)?.slice(offset, offset + length) ?? source.read(file, offset, length),
  };
}

function addNoise(bytes: Uint8Array, dtype: string, share: number, random: RandomNumbers): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = dtype === 'F32' ? 4 : 2;
  const bf16Value = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
  const get = (at: number): number => {
    if (dtype === 'F32') return view.getFloat32(at, true);
    return dtype === 'F16' ? f16Value(view.getUint16(at, true)) : bf16Value(view.getUint16(at, true));
  };
  const set = (at: number, value: number): void => {
    if (dtype === 'F32') view.setFloat32(at, value, true);
    else view.setUint16(at, dtype === 'F16' ? f16Bits(value) : bf16Bits(value), true);
  };
  let squares = 0;
  for (let at = 0; at < bytes.length; at += size) squares += get(at) ** 2;
  const deviation = share * Math.sqrt(squares / (bytes.length / size));
  for (let at = 0; at < bytes.length; at += size) set(at, get(at) + deviation * random.gaussian());
}
