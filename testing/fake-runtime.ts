/**
 * A ShardRuntime without weights, for tests of everything around one. Its arithmetic is a few mixed floats, but honest where it
 * counts: a row depends on every earlier position of its session, on the layer range only through the layers themselves (so any
 * split gives the same logits as the whole), and on nothing else.
 */
import { checkOutput } from '../provider/runtime/check-output.ts';
import type { Backend, KvCache, ShardRuntime, ShardSpec, StepInput, StepResult } from '../provider/runtime/shard-runtime.ts';
import { VesselError } from '../shared/protocol/errors.ts';

export interface FakeRuntimeOptions {
  backend?: Backend;
  adapter?: string;
  /** Longest capacity of a cache; the model's context if left out. */
  context?: number;
  /** Called before each step, with the positions in it: to wait on a fake clock, or to throw. */
  onStep?: (count: number) => Promise<void> | void;
  /** Changes each output: a lying provider. */
  tamper?: (values: Float32Array) => void;
}

class FakeCache implements KvCache {
  readonly capacity: number;
  readonly bytes: number;
  /** Per layer and position, the running state after it. */
  readonly states: number[][];
  readonly #owner: Set<FakeCache>;

  constructor(capacity: number, bytes: number, layers: number, owner: Set<FakeCache>) {
    this.capacity = capacity;
    this.bytes = bytes;
    this.states = Array.from({ length: layers }, () => []);
    this.#owner = owner;
    owner.add(this);
  }

  get length(): number {
    return this.states[0]!.length;
  }

  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new VesselError('wrong_position', `A cache of ${this.length} positions cannot be cut to ${length}.`);
    }
    for (const states of this.states) states.length = length;
  }

  release(): void {
    this.#owner.delete(this);
  }
}

export class FakeRuntime implements ShardRuntime {
  readonly shard: ShardSpec;
  readonly backend: Backend;
  readonly adapter: string;
  readonly arithmetic = 'f32';
  readonly context: number;
  /** Steps done, for tests that count work. */
  steps = 0;
  readonly #options: FakeRuntimeOptions;
  readonly #caches = new Set<FakeCache>();
  #isDisposed = false;

  constructor(shard: ShardSpec, options: FakeRuntimeOptions = {}) {
    this.shard = shard;
    this.#options = options;
    this.backend = options.backend ?? 'wasm';
    this.adapter = options.adapter ?? 'fake';
    this.context = options.context ?? shard.manifest.architecture.context;
  }

  /** Caches created and not released: a test of leaks asks for 0. */
  get openCaches(): number {
    return this.#caches.size;
  }

  cacheBytes(capacity: number): number {
    const { kvHeads, headDim } = this.shard.manifest.architecture;
    return (this.shard.to - this.shard.from) * 2 * kvHeads * headDim * 4 * capacity;
  }

  createCache(capacity: number): KvCache {
    if (this.#isDisposed) throw new VesselError('internal', 'This runtime was disposed.');
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > this.context) {
      throw new VesselError('context_exceeded', `This shard takes caches of 1 to ${this.context} positions, not ${capacity}.`);
    }
    return new FakeCache(capacity, this.cacheBytes(capacity), this.shard.to - this.shard.from, this.#caches);
  }

  async step(cache: KvCache, input: StepInput): Promise<StepResult> {
    if (this.#isDisposed) throw new VesselError('internal', 'This runtime was disposed.');
    if (!(cache instanceof FakeCache) || !this.#caches.has(cache)) {
      throw new VesselError('unknown_session', 'This cache was released or belongs to another runtime.');
    }
    const { layers, hidden, vocab } = this.shard.manifest.architecture;
    const { from, to } = this.shard;
    if ((input.kind === 'tokens') !== (from === 0))
      throw new VesselError('bad_request', `Layers from ${from} on do not take ${input.kind}.`);
    const count = input.kind === 'tokens' ? input.ids.length : input.values.length / hidden;
    if (!Number.isInteger(count) || count < 1) throw new VesselError('bad_request', 'A step needs one or more whole positions.');
    if (input.kind === 'tokens' && input.ids.some((id) => id < 0 || id >= vocab)) {
      throw new VesselError('bad_request', 'A token is not in the vocabulary.');
    }
    const before = cache.length;
    if (before + count > cache.capacity) throw new VesselError('context_exceeded', `${count} more positions do not fit.`);
    // Answers later even without work to wait for, as a real one does.
    await this.#options.onStep?.(count);
    if (!this.#caches.has(cache)) throw new VesselError('cancelled', 'The session was released during a step.');

    const rows = input.kind === 'tokens' ? embed(input.ids, hidden) : Float32Array.from(input.values);
    for (let layer = from; layer < to; layer++) {
      for (let row = 0; row < count; row++)
        runLayer(layer, rows.subarray(row * hidden, (row + 1) * hidden), cache.states[layer - from]!);
    }
    const isLast = to === layers;
    const values = isLast ? project(rows.subarray(rows.length - hidden), vocab) : rows;
    this.#options.tamper?.(values);
    try {
      checkOutput(values);
    } catch (error) {
      cache.truncate(before);
      throw error;
    }
    this.steps++;
    return { kind: isLast ? 'logits' : 'hidden', values };
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    for (const cache of [...this.#caches]) cache.release();
  }
}

/** In [-1, 1), the same on every machine, unlike for neighbouring inputs. */
function noise(a: number, b: number): number {
  let mixed = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) / 2 ** 31;
}

function embed(ids: Int32Array, hidden: number): Float32Array {
  return Float32Array.from({ length: ids.length * hidden }, (_, i) => noise(ids[Math.floor(i / hidden)]!, i % hidden));
}

/** Adds to the row what it and all rows before it, in order, say in this layer. */
function runLayer(layer: number, row: Float32Array, states: number[]): void {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i]! * noise(layer, i);
  const state = Math.fround(0.5 * (states.at(-1) ?? 0) + sum / Math.sqrt(row.length));
  states.push(state);
  for (let i = 0; i < row.length; i++) row[i] = 0.9 * row[i]! + Math.sin(3 * state + noise(layer + 1000, i) * 3);
}

function project(row: Float32Array, vocab: number): Float32Array {
  return Float32Array.from({ length: vocab }, (_, id) => {
    let sum = 0;
    for (let i = 0; i < row.length; i++) sum += row[i]! * noise(id + 5000, i);
    return sum;
  });
}
